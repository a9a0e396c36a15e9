//! `refrain outbox list`: prints messages of the outbox as a table or as JSON lines.

use anyhow::Result;
use refrain_catalog::{DeliveryStatus, OutboxFilter, OutboxMessage};

use super::pages;
use super::row::{OutboxListRow, status_and_time};
use crate::args::ListOutboxArgs;
use crate::context::CommandContext;
use crate::exit::CommandOutcome;
use crate::output::{Align, Output, Table, timestamp};

const COLUMNS: [(&str, Align); 7] = [
    ("id", Align::Right),
    ("sink", Align::Left),
    ("status", Align::Left),
    ("at", Align::Left),
    ("tries", Align::Right),
    ("message", Align::Left),
    ("last error", Align::Left),
];

/// Prints all messages that match the arguments, page by page.
pub(super) fn list(
    args: &ListOutboxArgs,
    context: &CommandContext,
    output: &Output,
) -> Result<CommandOutcome> {
    let wanted = match args.status {
        Some(status) => vec![status.into()],
        // By default all undelivered messages are listed: first the dead ones, then the waiting ones.
        None => vec![DeliveryStatus::Dead, DeliveryStatus::Waiting],
    };
    let mut first = true;
    for status in wanted {
        let filter = OutboxFilter { sink: args.sink.clone(), status: Some(status) };
        // Messages are printed page by page, because an outbox can have millions of rows after a long outage.
        pages(context, &filter, |page| {
            if args.json {
                let mut lines = String::new();
                for delivery in page {
                    lines.push_str(&serde_json::to_string(&OutboxListRow::new(delivery))?);
                    lines.push('\n');
                }
                return Ok(output.result(&lines)?);
            }
            let mut lines = table(page).lines().into_iter();
            let heading = lines.next().unwrap_or_default();
            // Each page has its own column widths. The heading is printed once, with the column widths of the first
            // page.
            if std::mem::take(&mut first) {
                output.line(&output.style().dim(&heading))?;
            }
            Ok(output.line(&lines.collect::<Vec<_>>().join("\n"))?)
        })?;
    }
    if first && !args.json {
        output.note(if args.status.is_none() {
            "no undelivered messages"
        } else {
            "no messages with this status"
        });
    }
    Ok(CommandOutcome::Done)
}

fn table(page: Vec<OutboxMessage>) -> Table {
    let mut table = Table::new(&COLUMNS);
    for delivery in page {
        let (status, at) = status_and_time(&delivery);
        table.row([
            delivery.id.to_string(),
            delivery.sink,
            status.to_owned(),
            timestamp(at),
            delivery.attempts.to_string(),
            delivery.key,
            delivery.last_error.unwrap_or_default(),
        ]);
    }
    table
}

//! `refrain outbox drop`.

use anyhow::{Result, bail};

use crate::args::DropArgs;
use crate::context::CommandContext;
use crate::exit::CommandOutcome;
use crate::output::Output;
use crate::settings::Settings;

/// Maximum number of messages that one transaction deletes. The rows are locked until its end, and the service works on
/// the same table. At half this value, the command makes twice the round trips; at twice this value, a delivery can
/// wait longer for a lock.
const MAX_TRANSACTION_ROWS: u32 = 1_000;

/// Deletes the undelivered messages of a sink.
pub(super) fn drop(
    args: &DropArgs,
    settings: &Settings,
    context: &CommandContext,
    output: &Output,
) -> Result<CommandOutcome> {
    // The service delivers the messages of a configured sink, so deleting them would lose detections.
    let service = settings.service(None)?;
    if !args.force && service.outbox.sinks.iter().any(|sink| sink.name == args.sink) {
        bail!(
            "sink {:?} is in the settings, and its messages are delivered; remove the sink first, or add --force",
            args.sink
        );
    }
    let mut dropped = 0;
    loop {
        let batch =
            context.wait(context.catalog().journal().drop_deliveries(&args.sink, MAX_TRANSACTION_ROWS))?;
        dropped += batch;
        // A batch that is not full was the last one.
        if batch < u64::from(MAX_TRANSACTION_ROWS) {
            break;
        }
    }
    output.line(&format!("{dropped} messages for sink {:?} deleted", args.sink))?;
    Ok(CommandOutcome::Done)
}

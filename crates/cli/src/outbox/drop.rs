//! `refrain outbox drop`: deletes the undelivered messages of one sink.

use anyhow::{Result, bail};

use crate::args::DropArgs;
use crate::context::CommandContext;
use crate::exit::CommandOutcome;
use crate::output::Output;
use crate::settings::Settings;

/// Maximum number of messages that one transaction deletes. The service uses the same table, and the rows are locked
/// until the end of the transaction. With 500, the command needs twice the round trips; with 2,000, a delivery can wait
/// longer for a lock.
const MAX_TRANSACTION_ROWS: u32 = 1_000;

/// Deletes all undelivered messages of the sink, in several transactions.
pub(super) fn drop(
    args: &DropArgs,
    settings: &Settings,
    context: &CommandContext,
    output: &Output,
) -> Result<CommandOutcome> {
    // If the sink is configured, the service still delivers its messages, so deleting them would lose detections.
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
        // A transaction that deleted fewer rows than the maximum was the last one.
        if batch < u64::from(MAX_TRANSACTION_ROWS) {
            break;
        }
    }
    output.line(&format!("{dropped} messages for sink {:?} deleted", args.sink))?;
    Ok(CommandOutcome::Done)
}

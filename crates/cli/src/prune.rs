//! `refrain prune`: deletes old detections, streams and messages from the database.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use refrain_catalog::{PruneCounts, RetentionLimits};

use crate::args::PruneArgs;
use crate::context::{CommandContext, Missing};
use crate::exit::CommandOutcome;
use crate::output::Output;
use crate::settings::Settings;

/// Maximum number of rows of each kind that one transaction deletes. The service can run at the same time, so a
/// transaction should take only a fraction of a second. With 2,500, deleting a year of detections takes twice the round
/// trips. With 10,000, rows are locked longer, and writers to an SQLite catalog wait longer.
const MAX_TRANSACTION_ROWS: u32 = 5_000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs `refrain prune`.
pub(crate) fn run(args: &PruneArgs, settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    let context = CommandContext::open(settings, Missing::Refuse)?;
    let expired = RetentionLimits::before(cutoff_ms(args.days)?);
    let mut total = PruneCounts::default();
    loop {
        let deleted = context.wait(context.catalog().journal().prune(expired, MAX_TRANSACTION_ROWS))?;
        total.detections += deleted.detections;
        total.deliveries += deleted.deliveries;
        total.streams += deleted.streams;
        // If every kind has fewer deleted rows than the maximum, nothing is left to delete.
        if deleted.max() < u64::from(MAX_TRANSACTION_ROWS) {
            break;
        }
    }
    context.close()?;
    output.line(&format!(
        "{} detections, {} messages and {} streams deleted",
        total.detections, total.deliveries, total.streams
    ))?;
    Ok(CommandOutcome::Done)
}

/// Returns the time that is `days` days before now, in milliseconds since 1970.
fn cutoff_ms(days: u32) -> Result<i64> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("this machine's clock is before 1970; set the clock")?;
    let ago = now.saturating_sub(DAY * days);
    i64::try_from(ago.as_millis()).context("this machine's clock is far in the future; set the clock")
}

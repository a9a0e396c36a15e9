//! `refrain prune`: deletes old detections, streams and messages.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use refrain_catalog::{PruneCounts, RetentionLimits};

use crate::args::PruneArgs;
use crate::context::{CommandContext, Missing};
use crate::exit::CommandOutcome;
use crate::output::Output;
use crate::settings::Settings;

/// Maximum number of rows of each kind that one transaction deletes. The service can work at the same time, so a
/// transaction should end within a fraction of a second. At half this value, deleting a year of detections takes twice
/// the round trips; at twice this value, locks are held longer and, with SQLite, writers wait longer.
const MAX_TRANSACTION_ROWS: u32 = 5_000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs the command.
pub(crate) fn run(args: &PruneArgs, settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    let context = CommandContext::open(settings, Missing::Refuse)?;
    let expired = RetentionLimits::before(cutoff_ms(args.days)?);
    let mut total = PruneCounts::default();
    loop {
        let deleted = context.wait(context.catalog().journal().prune(expired, MAX_TRANSACTION_ROWS))?;
        total.detections += deleted.detections;
        total.deliveries += deleted.deliveries;
        total.streams += deleted.streams;
        // If no kind of row filled its batch, nothing is left to delete.
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

/// Returns the time `days` days ago, in milliseconds since 1970.
fn cutoff_ms(days: u32) -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("this machine's clock is before 1970")?;
    let ago = now.saturating_sub(DAY * days);
    i64::try_from(ago.as_millis()).context("this machine's clock is far in the future")
}

//! `refrain prune`: deletes old detections, streams and messages.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use refrain_catalog::{Expired, Pruned};

use crate::args::PruneArgs;
use crate::exit::Outcome;
use crate::output::Output;
use crate::settings::Settings;
use crate::store::{Missing, Store};

/// Maximum number of rows of each kind that one transaction deletes.
const AT_ONCE: u32 = 5_000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs the command.
pub(crate) fn run(args: &PruneArgs, settings: &Settings, output: &Output) -> Result<Outcome> {
    let store = Store::open(settings, Missing::Refuse)?;
    let expired = Expired::before(before(args.days)?);
    let mut all = Pruned::default();
    loop {
        let gone = store.wait(store.catalog().journal().prune(expired, AT_ONCE))?;
        all.detections += gone.detections;
        all.deliveries += gone.deliveries;
        all.streams += gone.streams;
        if gone.most() < u64::from(AT_ONCE) {
            break;
        }
    }
    store.close()?;
    output.line(&format!(
        "{} detections, {} messages and {} streams deleted",
        all.detections, all.deliveries, all.streams
    ))?;
    Ok(Outcome::Done)
}

/// Returns the time `days` days ago, in milliseconds since 1970.
fn before(days: u32) -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("this machine's clock is before 1970")?;
    let ago = now.saturating_sub(DAY * days);
    i64::try_from(ago.as_millis()).context("this machine's clock is far in the future")
}

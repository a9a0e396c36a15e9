//! `refrain prune`: what was heard long ago goes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::args::PruneArgs;
use crate::exit::Outcome;
use crate::output::Output;
use crate::settings::Settings;
use crate::store::{Missing, Store};

/// Rows of each kind that one transaction deletes.
const AT_ONCE: u32 = 5_000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs the command.
pub(crate) fn run(args: &PruneArgs, settings: &Settings, output: &Output) -> Result<Outcome> {
    let store = Store::open(settings, Missing::Refuse)?;
    let before = before(args.days)?;
    let (mut detections, mut messages) = (0, 0);
    loop {
        let gone = store.wait(store.catalog().journal().prune(before, AT_ONCE))?;
        detections += gone.detections;
        messages += gone.deliveries;
        if gone.detections.max(gone.deliveries) < u64::from(AT_ONCE) {
            break;
        }
    }
    store.close()?;
    output.line(&format!("{detections} detections and {messages} messages deleted"))?;
    Ok(Outcome::Done)
}

/// So many days ago, milliseconds since 1970.
fn before(days: u32) -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("this machine's clock is before 1970")?;
    let ago = now.saturating_sub(DAY * days);
    i64::try_from(ago.as_millis()).context("this machine's clock is far in the future")
}

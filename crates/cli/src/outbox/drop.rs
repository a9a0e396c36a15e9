//! `refrain outbox drop`.

use anyhow::{Result, bail};

use crate::args::DropArgs;
use crate::exit::Outcome;
use crate::output::Output;
use crate::settings::Settings;
use crate::store::Store;

/// Maximum number of messages that one transaction deletes.
const AT_ONCE: u32 = 1_000;

/// Deletes the undelivered messages of a sink.
pub(super) fn drop(args: &DropArgs, settings: &Settings, store: &Store, output: &Output) -> Result<Outcome> {
    let service = settings.service(None)?;
    if !args.force && service.outbox.sinks.iter().any(|sink| sink.name == args.sink) {
        bail!(
            "sink {:?} is in the settings, and its messages are delivered; remove the sink first, or add --force",
            args.sink
        );
    }
    let mut dropped = 0;
    loop {
        let now = store.wait(store.catalog().journal().drop_deliveries(&args.sink, AT_ONCE))?;
        dropped += now;
        if now < u64::from(AT_ONCE) {
            break;
        }
    }
    output.line(&format!("{dropped} messages for sink {:?} deleted", args.sink))?;
    Ok(Outcome::Done)
}

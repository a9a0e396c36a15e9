//! `refrain outbox …`: lists undelivered messages, retries or deletes them.

mod drop;
mod list;
mod retry;
mod row;

use anyhow::Result;
use refrain_catalog::{Delivery, DeliveryFilter};

use crate::args::{OutboxArgs, OutboxCommand};
use crate::exit::Outcome;
use crate::output::Output;
use crate::settings::Settings;
use crate::store::{Missing, Store};

/// Maximum number of messages per database query. Each message can contain a whole response.
const PAGE: u32 = 500;

/// Runs the command.
pub(crate) fn run(args: &OutboxArgs, settings: &Settings, output: &Output) -> Result<Outcome> {
    let store = Store::open(settings, Missing::Refuse)?;
    let outcome = match &args.command {
        OutboxCommand::List(args) => list::list(args, &store, output),
        OutboxCommand::Retry(args) => retry::retry(args, &store, output),
        OutboxCommand::Drop(args) => drop::drop(args, settings, &store, output),
    };
    // An error of the cleanup at closing matters only for commands that wrote.
    let closed = store.close();
    let outcome = outcome?;
    if let OutboxCommand::Retry(_) | OutboxCommand::Drop(_) = args.command {
        closed?;
    }
    Ok(outcome)
}

/// Calls `visit` for all messages that match the filter, one page at a time.
fn pages(
    store: &Store,
    filter: &DeliveryFilter,
    mut visit: impl FnMut(Vec<Delivery>) -> Result<()>,
) -> Result<()> {
    let mut after = None;
    loop {
        let page = store.wait(store.catalog().journal().deliveries(filter, after, PAGE))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        visit(page)?;
    }
}

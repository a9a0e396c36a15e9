//! `refrain outbox …`: lists undelivered messages, retries or deletes them.

mod drop;
mod list;
mod retry;
mod row;

use anyhow::Result;
use refrain_catalog::{OutboxFilter, OutboxMessage};

use crate::args::{OutboxArgs, OutboxCommand};
use crate::context::{CommandContext, Missing};
use crate::exit::CommandOutcome;
use crate::output::Output;
use crate::settings::Settings;

/// Maximum number of messages per database query. Each message can contain a response of some kilobytes, so a page can
/// take a few MB of memory. Smaller pages need more round trips; larger ones need more memory.
const PAGE: u32 = 500;

/// Runs `refrain outbox`.
pub(crate) fn run(args: &OutboxArgs, settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    let context = CommandContext::open(settings, Missing::Refuse)?;
    let outcome = match &args.command {
        OutboxCommand::List(args) => list::list(args, &context, output),
        OutboxCommand::Retry(args) => retry::retry(args, &context, output),
        OutboxCommand::Drop(args) => drop::drop(args, settings, &context, output),
    };
    // An error of closing the catalog matters only for the commands that changed it.
    let closed = context.close();
    let outcome = outcome?;
    if let OutboxCommand::Retry(_) | OutboxCommand::Drop(_) = args.command {
        closed?;
    }
    Ok(outcome)
}

/// Calls `visit` with the messages that match the filter, one page at a time, until there are no more.
fn pages(
    context: &CommandContext,
    filter: &OutboxFilter,
    mut visit: impl FnMut(Vec<OutboxMessage>) -> Result<()>,
) -> Result<()> {
    let mut after = None;
    loop {
        let page = context.wait(context.catalog().journal().deliveries(filter, after, PAGE))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        visit(page)?;
    }
}

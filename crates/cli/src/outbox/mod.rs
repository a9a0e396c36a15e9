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

/// Maximum number of messages per database query. Each message can contain a whole response of some kilobytes, so a
/// page can take a few MB. Half of it doubles the round trips; twice of it doubles the memory.
const PAGE: u32 = 500;

/// Runs the command.
pub(crate) fn run(args: &OutboxArgs, settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    let context = CommandContext::open(settings, Missing::Refuse)?;
    let outcome = match &args.command {
        OutboxCommand::List(args) => list::list(args, &context, output),
        OutboxCommand::Retry(args) => retry::retry(args, &context, output),
        OutboxCommand::Drop(args) => drop::drop(args, settings, &context, output),
    };
    // An error of the cleanup at closing matters only for commands that wrote.
    let closed = context.close();
    let outcome = outcome?;
    if let OutboxCommand::Retry(_) | OutboxCommand::Drop(_) = args.command {
        closed?;
    }
    Ok(outcome)
}

/// Calls `visit` for all messages that match the filter, one page at a time.
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

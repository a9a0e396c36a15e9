//! `refrain outbox retry`: makes dead messages due again.

use anyhow::Result;
use refrain_catalog::{DeliveryStatus, OutboxFilter};

use super::pages;
use crate::args::RetryArgs;
use crate::context::CommandContext;
use crate::exit::CommandOutcome;
use crate::output::Output;

/// Schedules the dead messages that match the arguments for immediate delivery.
pub(super) fn retry(args: &RetryArgs, context: &CommandContext, output: &Output) -> Result<CommandOutcome> {
    let (mut due, mut others) = (0, 0);
    // The messages are retried one by one, so that each message that is not dead can be reported.
    for id in &args.ids {
        let done = context.wait(context.catalog().journal().retry(&[*id]))?;
        due += done;
        if done == 0 {
            others += 1;
            output.note(&format!(
                "refrain: message {id} is not dead; `refrain outbox list --status dead` lists the dead messages"
            ));
        }
    }
    if args.ids.is_empty() {
        let filter = OutboxFilter { sink: args.sink.clone(), status: Some(DeliveryStatus::Dead) };
        pages(context, &filter, |page| {
            let ids: Vec<_> = page.iter().map(|delivery| delivery.id).collect();
            due += context.wait(context.catalog().journal().retry(&ids))?;
            Ok(())
        })?;
    }
    output.line(&format!("{due} messages are due again"))?;
    Ok(CommandOutcome::of(usize::try_from(due).unwrap_or(usize::MAX), others))
}

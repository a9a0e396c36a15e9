//! `refrain outbox retry`.

use anyhow::Result;
use refrain_catalog::{DeliveryFilter, DeliveryStatus};

use super::pages;
use crate::args::RetryArgs;
use crate::exit::Outcome;
use crate::output::Output;
use crate::store::Store;

/// Makes the dead messages that match the arguments due again.
pub(super) fn retry(args: &RetryArgs, store: &Store, output: &Output) -> Result<Outcome> {
    let (mut due, mut others) = (0, 0);
    for id in &args.ids {
        let done = store.wait(store.catalog().journal().retry(&[*id]))?;
        due += done;
        if done == 0 {
            others += 1;
            output.note(&format!(
                "refrain: message {id} is not dead; `refrain outbox list --status dead` lists the dead messages"
            ));
        }
    }
    if args.ids.is_empty() {
        let filter = DeliveryFilter { sink: args.sink.clone(), status: Some(DeliveryStatus::Dead) };
        pages(store, &filter, |page| {
            let ids: Vec<_> = page.iter().map(|delivery| delivery.id).collect();
            due += store.wait(store.catalog().journal().retry(&ids))?;
            Ok(())
        })?;
    }
    output.line(&format!("{due} messages are due again"))?;
    Ok(Outcome::of(usize::try_from(due).unwrap_or(usize::MAX), others))
}

//! Inputs that killed their process and are not processed any more.

use anyhow::Result;
use refrain_catalog::{CatalogError, Journal, MAX_DEATHS, Stream, StreamFilter, StreamState};

use super::check::{Check, Report};
use crate::store::Store;

/// Inputs that are named one by one; more are counted.
const NAMED: usize = 5;

/// Rows that are read at once.
const PAGE: u32 = 500;

/// Reports quarantined streams and objects. Without any, it adds no line.
pub(super) fn look(store: &Store, report: &mut Report<'_>) -> Result<()> {
    let journal = store.catalog().journal();
    // An error of this would be the catalog's, which has its own line.
    if let Ok(names) = store.wait(streams(journal))
        && !names.is_empty()
    {
        report.add(Check::warning(
            "quarantined streams",
            shown(&names),
            "`refrain streams list --all` has the reasons; repair the source, then `refrain streams add` starts the stream again",
        ))?;
    }
    if let Ok(objects) = store.wait(journal.open_attempts(MAX_DEATHS, PAGE))
        && !objects.is_empty()
    {
        let name = |one: &refrain_catalog::ObjectAttempts| {
            format!("s3://{}/{} ({} deaths)", one.object.bucket, one.object.key, one.attempts)
        };
        let names: Vec<String> = objects.iter().map(name).collect();
        report.add(Check::warning(
            "quarantined objects",
            shown(&names),
            "their messages are in the dead-letter queue; upload the object again, or process it by hand with its s3:// address",
        ))?;
    }
    Ok(())
}

async fn streams(journal: &dyn Journal) -> Result<Vec<String>, CatalogError> {
    let filter = StreamFilter { over: true, state: Some(StreamState::Failed), ..StreamFilter::default() };
    let (mut names, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = journal.streams(&filter, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(names) };
        after = Some(last.id.clone());
        let deaths = |one: &Stream| one.deaths.max(one.decoder_deaths);
        let quarantined = page.iter().filter(|one| one.is_quarantined());
        names.extend(quarantined.map(|one| format!("{} ({} deaths)", one.id, deaths(one))));
    }
}

fn shown(names: &[String]) -> String {
    let first = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMED) {
        Some(more @ 1..) => format!("{first} and {more} more"),
        _ => first,
    }
}

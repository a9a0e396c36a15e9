//! Checks for quarantined inputs, which are no longer processed because they killed their process repeatedly.

use anyhow::Result;
use refrain_catalog::{CatalogError, Journal, MAX_DEATHS, Stream, StreamFilter, StreamState};

use super::check::{Check, HealthReport};
use crate::context::CommandContext;

/// Maximum number of inputs that are listed by name, so that the line stays readable on a terminal (about 300
/// characters). Further inputs are only counted; `refrain streams list --all` has all of them.
const MAX_NAMES: usize = 5;

/// Maximum number of rows per database query. A row has a few hundred bytes, so a page takes about 0.2 MB. Half of it
/// doubles the round trips; a larger page has no advantage, because quarantined inputs are rare.
const PAGE_ROWS: u32 = 500;

/// Reports quarantined streams and objects. If there are none, nothing is added to the report.
pub(super) fn add_checks(context: &CommandContext, report: &mut HealthReport<'_>) -> Result<()> {
    let journal = context.catalog().journal();
    // Errors of these queries are ignored: the check of the catalog reports errors of the database.
    if let Ok(names) = context.wait(streams(journal))
        && !names.is_empty()
    {
        report.add(Check::warning(
            "quarantined streams",
            listed(&names),
            "`refrain streams list --all` has the reasons; repair the source, then `refrain streams add` starts the stream again",
        ))?;
    }
    if let Ok(objects) = context.wait(journal.open_attempts(MAX_DEATHS, PAGE_ROWS))
        && !objects.is_empty()
    {
        let name = |one: &refrain_catalog::ObjectAttempts| {
            format!("s3://{}/{} ({} deaths)", one.object.bucket, one.object.key, one.attempts)
        };
        let names: Vec<String> = objects.iter().map(name).collect();
        report.add(Check::warning(
            "quarantined objects",
            listed(&names),
            "their messages are in the dead-letter queue; upload the object again, or process it by hand with its s3:// address",
        ))?;
    }
    Ok(())
}

async fn streams(journal: &dyn Journal) -> Result<Vec<String>, CatalogError> {
    // A quarantined stream has failed, so it is not among the running streams.
    let filter = StreamFilter { over: true, state: Some(StreamState::Failed), ..StreamFilter::default() };
    let (mut names, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = journal.streams(&filter, after.as_deref(), PAGE_ROWS).await?;
        let Some(last) = page.last() else { return Ok(names) };
        after = Some(last.id.clone());
        // Deaths of the worker and of the decoder are counted separately, and each number can cause the quarantine.
        let deaths = |one: &Stream| one.deaths.max(one.decoder_deaths);
        let quarantined = page.iter().filter(|one| one.is_quarantined());
        names.extend(quarantined.map(|one| format!("{} ({} deaths)", one.id, deaths(one))));
    }
}

fn listed(names: &[String]) -> String {
    let first = names.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MAX_NAMES) {
        Some(more @ 1..) => format!("{first} and {more} more"),
        _ => first,
    }
}

//! Checks for quarantined streams and objects. The service no longer processes them, because they killed its worker or
//! decoder several times.

use anyhow::Result;
use refrain_catalog::{CatalogError, Journal, MAX_DEATHS, StreamFilter, StreamState};

use super::check::{Check, HealthReport};
use crate::context::CommandContext;

/// Maximum number of quarantined inputs that are listed by name. The line then has about 300 characters and is readable
/// on a terminal. Further inputs are only counted. `refrain streams list --all` lists all quarantined streams, but not
/// the quarantined objects.
const MAX_NAMES: usize = 5;

/// Maximum number of rows per database query. A row has a few hundred bytes, so a page takes about 0.2 MB. Smaller
/// pages need more round trips; larger ones have no advantage, because quarantined inputs are rare.
const PAGE_ROWS: u32 = 500;

/// Reports quarantined streams and objects. If none exist, nothing is added to the report.
pub(super) fn add_checks(context: &CommandContext, report: &mut HealthReport<'_>) -> Result<()> {
    let journal = context.catalog().journal();
    // Errors of these queries are ignored, because the check of the catalog has already reported errors of the
    // database.
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
    // Quarantined streams are in the state `Failed`, so only ended streams are read.
    let filter = StreamFilter { over: true, state: Some(StreamState::Failed), ..StreamFilter::default() };
    let (mut names, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = journal.streams(&filter, after.as_deref(), PAGE_ROWS).await?;
        let Some(last) = page.last() else { return Ok(names) };
        after = Some(last.id.clone());
        let quarantined = page.iter().filter(|one| one.is_quarantined());
        names.extend(quarantined.map(|one| format!("{} ({} deaths)", one.id, one.max_deaths())));
    }
}

fn listed(names: &[String]) -> String {
    let first = names.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MAX_NAMES) {
        Some(more @ 1..) => format!("{first} and {more} more"),
        _ => first,
    }
}

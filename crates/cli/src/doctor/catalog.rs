//! Checks that the catalog can be opened and used.

use std::time::Duration;

use anyhow::Result;

use super::check::{Check, HealthReport};
use crate::context::{CommandContext, Missing};
use crate::settings::Settings;

/// An open catalog, with the number of its tracks and the number of its last change.
pub(super) struct OpenCatalog {
    pub(super) context: CommandContext,
    pub(super) tracks: u64,
    pub(super) position: u64,
}

/// Checks the catalog, adds the results to the report, and returns the open catalog. Returns `None` if it cannot be
/// used.
pub(super) fn add_checks(
    settings: &Settings,
    thorough: bool,
    report: &mut HealthReport<'_>,
) -> Result<Option<OpenCatalog>> {
    let mut settings = settings.clone();
    // `doctor` reports an unavailable database at once instead of retrying.
    settings.database.postgres.retry_for = Duration::ZERO;
    // Reading the whole database takes longer than the timeout of other statements.
    if thorough {
        settings.database.postgres.statement_timeout = Duration::ZERO;
    }
    // A missing catalog is reported. `doctor` does not create it, because an empty new catalog would hide a mistyped
    // path.
    let context = match CommandContext::open(&settings, Missing::Refuse) {
        Ok(context) => context,
        Err(error) => {
            report.add(Check::error("catalog", &error))?;
            return Ok(None);
        }
    };
    report.add(Check::fine("catalog", settings.catalog.to_string()))?;
    // An error of the health checks does not end the report, because the tracks can often still be counted.
    match context.wait(context.catalog().health(thorough)) {
        Ok(facts) => facts.into_iter().try_for_each(|fact| report.add(fact.into()))?,
        Err(error) => report.add(Check::error("catalog", &error.into()))?,
    }
    let counted = context.wait(async {
        let catalog = context.catalog();
        Ok::<_, refrain_catalog::CatalogError>((catalog.count().await?, catalog.position().await?))
    });
    match counted {
        Ok((tracks, position)) => {
            report.add(Check::fine("tracks", format!("{tracks}, at change {position}")))?;
            Ok(Some(OpenCatalog { context, tracks, position }))
        }
        Err(error) => {
            report.add(Check::error("tracks", &error.into()))?;
            Ok(None)
        }
    }
}

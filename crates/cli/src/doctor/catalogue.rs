//! Checks of the catalog.

use std::time::Duration;

use anyhow::Result;

use super::check::{Check, Report};
use crate::settings::Settings;
use crate::store::{Missing, Store};

/// An open catalog, with its number of tracks and of its last change.
pub(super) struct Catalogue {
    pub(super) store: Store,
    pub(super) tracks: u64,
    pub(super) position: u64,
}

/// Checks the catalog and opens it for further checks. Returns `None` if it cannot be used.
pub(super) fn look(
    settings: &Settings,
    thorough: bool,
    report: &mut Report<'_>,
) -> Result<Option<Catalogue>> {
    let mut settings = settings.clone();
    // `doctor` reports an unavailable database at once instead of retrying.
    settings.database.postgres.retry_for = Duration::ZERO;
    if thorough {
        settings.database.postgres.statement_timeout = Duration::ZERO;
    }
    let store = match Store::open(&settings, Missing::Refuse) {
        Ok(store) => store,
        Err(error) => {
            report.add(Check::error("catalogue", &error))?;
            return Ok(None);
        }
    };
    report.add(Check::fine("catalogue", settings.catalog.to_string()))?;
    match store.wait(store.catalog().health(thorough)) {
        Ok(facts) => facts.into_iter().try_for_each(|fact| report.add(fact.into()))?,
        Err(error) => report.add(Check::error("catalogue", &error.into()))?,
    }
    let counted = store.wait(async {
        let catalog = store.catalog();
        Ok::<_, refrain_catalog::CatalogError>((catalog.count().await?, catalog.position().await?))
    });
    match counted {
        Ok((tracks, position)) => {
            report.add(Check::fine("tracks", format!("{tracks}, at change {position}")))?;
            Ok(Some(Catalogue { store, tracks, position }))
        }
        Err(error) => {
            report.add(Check::error("tracks", &error.into()))?;
            Ok(None)
        }
    }
}

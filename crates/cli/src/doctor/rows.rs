//! Check that the index in the database is up to date with the catalog.

use anyhow::Result;

use super::catalog::OpenCatalog;
use super::check::{Check, HealthReport};

const NAME: &str = "index in the database";

pub(super) fn add_checks(catalog: Option<&OpenCatalog>, report: &mut HealthReport<'_>) -> Result<()> {
    match catalog {
        Some(catalog) => report.add(index(catalog)),
        None => Ok(()),
    }
}

fn index(OpenCatalog { context, tracks, position }: &OpenCatalog) -> Check {
    let Some(runs) = refrain_index_sync::IndexRows::of(&context.catalog_handle()) else {
        return Check::failing(NAME, "only PostgreSQL has one", "omit --search database");
    };
    let (index, reached) = match context.wait(runs.open()) {
        Ok(opened) => opened,
        Err(error) => return Check::error(NAME, &error.into()),
    };
    let (searchable, behind) = (index.tracks() as u64, position.saturating_sub(reached));
    if behind > 0 {
        let found = format!("{searchable} of {tracks} tracks, {behind} changes behind");
        return Check::warning(
            NAME,
            found,
            "the next search of a user with write permission indexes these changes first; `refrain tracks reindex \
             --search database` rebuilds the index",
        );
    }
    Check::fine(
        NAME,
        format!("{searchable} tracks in {} runs, up to date with the catalog", index.runs_count()),
    )
}

//! Check that the index in the database is up to date with the catalog.

use anyhow::Result;

use super::catalogue::Catalogue;
use super::check::{Check, Report};

const NAME: &str = "index in the database";

pub(super) fn look(catalogue: Option<&Catalogue>, report: &mut Report<'_>) -> Result<()> {
    match catalogue {
        Some(catalogue) => report.add(index(catalogue)),
        None => Ok(()),
    }
}

fn index(Catalogue { store, tracks, position }: &Catalogue) -> Check {
    let Some(runs) = refrain_index_sync::IndexRows::of(&store.shared_catalog()) else {
        return Check::failing(NAME, "only PostgreSQL has one", "omit --search database");
    };
    let (index, reached) = match store.wait(runs.open()) {
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

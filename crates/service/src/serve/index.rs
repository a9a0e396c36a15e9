//! The index that streams and files are searched in, kept in step with the catalogue.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Catalog, Followed, Follower, Library, LibraryError, Skipped};
use refrain_core::index::CacheState;
use tokio_util::sync::CancellationToken;

use super::{Health, ServeError};
use crate::measure::Measures;
use crate::monitor::FollowedIndex;

/// Pause before an index that could not be built is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// Opens the index, brings it up to date and has it follow from then on. `None` if the end comes first.
pub(super) async fn follow(
    catalog: &Arc<dyn Catalog>,
    prefix: &Path,
    health: &Arc<Health>,
    measures: &Arc<Measures>,
    stop: &CancellationToken,
) -> Result<Option<FollowedIndex>, ServeError> {
    health.index(Some("it is being built".to_owned()));
    if let Some(folder) = prefix.parent() {
        let made = tokio::fs::create_dir_all(folder).await;
        made.map_err(|source| ServeError::Folder { folder: folder.to_owned(), source })?;
    }
    loop {
        let built = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            built = build(catalog, prefix) => built,
        };
        match built {
            Ok(library) => {
                health.index(None);
                let measures = Arc::clone(measures);
                measures.index_tracks.set(library.snapshot().tracks() as i64);
                let follower = Follower::start(library, move |what| log(what, &measures));
                return Ok(Some(FollowedIndex::new(follower)));
            }
            // The database went away meanwhile.
            Err(LibraryError::Catalog(error)) if error.is_retryable() => {
                tracing::warn!(%error, "the index is waited for");
                health.index(Some(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn build(catalog: &Arc<dyn Catalog>, prefix: &Path) -> Result<Library, LibraryError> {
    let (mut library, state) = Library::open(Arc::clone(catalog), prefix).await?;
    match state {
        CacheState::Ready => {}
        CacheState::Missing => tracing::info!("the index is built"),
        CacheState::Discarded(why) => tracing::warn!(why, "the index is built again"),
    }
    let done = library.refresh().await?;
    done.skipped.iter().for_each(skipped);
    tracing::info!(tracks = library.snapshot().tracks(), "the index is there");
    Ok(library)
}

fn skipped(skipped: &Skipped) {
    tracing::warn!(track = skipped.track.0, reason = %skipped.reason, "a track cannot be searched");
}

#[expect(clippy::needless_pass_by_value, reason = "given to Follower::start")]
fn log(what: Followed<'_>, measures: &Measures) {
    match what {
        Followed::Changed(done) => {
            measures.index_tracks.add(done.added as i64 - done.removed as i64);
            tracing::info!(added = done.added, removed = done.removed, "the catalogue changed");
            done.skipped.iter().for_each(skipped);
        }
        Followed::Failed { error, failures: 1, .. } => {
            tracing::warn!(%error, "the catalogue cannot be followed; the search goes on in what is indexed by now");
        }
        Followed::Recovered => tracing::info!("changes of the catalogue are followed again"),
        _ => {}
    }
}

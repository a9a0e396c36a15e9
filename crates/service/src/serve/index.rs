//! The index in which the audio of streams and files is searched. It is updated when the catalog changes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::Catalog;
use refrain_core::index::CacheState;
use refrain_index_sync::{FollowEvent, IndexFollower, IndexSync, SkippedTrack, SyncError};
use tokio_util::sync::CancellationToken;

use super::{ProcessHealth, ServeError};
use crate::counters::Counters;
use refrain_monitor::FollowedIndex;

/// Pause before another attempt to build the index. The database was reachable shortly before, so the outage is usually
/// short. At half this value, a database that fails over gets twice the attempts; at twice this value, the process is
/// ready up to 4 s late.
const PAUSE: Duration = Duration::from_secs(2);

/// Opens the index, updates it and starts to follow the catalog. Returns `None` if `stop` is cancelled before.
pub(super) async fn follow(
    catalog: &Arc<dyn Catalog>,
    prefix: &Path,
    health: &Arc<ProcessHealth>,
    counters: &Arc<Counters>,
    stop: &CancellationToken,
) -> Result<Option<FollowedIndex>, ServeError> {
    health.index(Some("being built".to_owned()));
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
                // The process is ready before it follows the changes: a search can miss the newest tracks until then,
                // but no others.
                health.index(None);
                let counters = Arc::clone(counters);
                counters.index_tracks.set(library.snapshot().tracks() as i64);
                let follower = IndexFollower::start(library, move |event| {
                    if let FollowEvent::Changed(done) = &event {
                        counters.index_tracks.add(done.added as i64 - done.removed as i64);
                    }
                    event.log();
                });
                return Ok(Some(FollowedIndex::new(follower)));
            }
            // The database became unavailable after the catalog was opened.
            Err(SyncError::Catalog(error)) if error.is_retryable() => {
                tracing::warn!(
                    %error,
                    retry_seconds = PAUSE.as_secs(),
                    "cannot read the catalog to build the index, the service is not ready; retrying"
                );
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

async fn build(catalog: &Arc<dyn Catalog>, prefix: &Path) -> Result<IndexSync, SyncError> {
    let (mut library, state) = IndexSync::open(Arc::clone(catalog), prefix).await?;
    match state {
        CacheState::Ready => {}
        CacheState::Missing => {
            tracing::info!(index = %prefix.display(), "no index files found, building the index from the catalog");
        }
        CacheState::Discarded(why) => {
            tracing::warn!(
                index = %prefix.display(),
                why,
                "index files cannot be used, replacing them by an index that is built from the catalog"
            );
        }
    }
    let done = library.refresh().await?;
    done.skipped.iter().for_each(SkippedTrack::log);
    tracing::info!(index = %prefix.display(), tracks = library.snapshot().tracks(), "index ready");
    Ok(library)
}

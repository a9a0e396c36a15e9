//! Comparison of new tracks with earlier ones.
//!
//! The catalog stores with each new track that its comparison is pending. The comparison is possible when the index has the
//! track, and with it all earlier ones. Its result, and that it is done, are stored in one transaction, so no interruption
//! loses a link.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use refrain_catalog::{NearDuplicate, Track, TrackNumber};
use refrain_core::fingerprint::Constellation;
use refrain_core::index::IndexError;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::error::FilesError;
use super::shared::Shared;
use crate::outside::ObjectName;
use refrain_app::audio_file::{hours, is_near_duplicate, shared_sound};

/// Interval at which the index is checked for tracks that it does not have yet.
const INDEX_AGAIN: Duration = Duration::from_millis(500);

/// Interval at which one of all processes looks for comparisons that other processes have left.
const LOOK_FOR_OTHERS: Duration = Duration::from_secs(60);

/// Name of this periodic job for [`refrain_catalog::Journal::turn`].
const TURN: &str = "compare new tracks";

/// Number of tracks per page of pending comparisons.
const PAGE: u32 = 1_000;

/// Time that a command that indexes objects waits until the index has its tracks. Other processes compare the rest later.
const BY_HAND_WITHIN: Duration = Duration::from_secs(60);

/// Tracks that this process has added and not yet compared.
#[derive(Debug, Default)]
pub(super) struct Comparisons {
    own: Mutex<BTreeSet<TrackNumber>>,
    added: Notify,
}

impl Comparisons {
    /// Adds a new track.
    pub(super) fn add(&self, track: TrackNumber) {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).insert(track);
        self.added.notify_one();
    }

    fn own(&self) -> Vec<TrackNumber> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn forget(&self, track: TrackNumber) {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).remove(&track);
    }
}

/// Compares until `stop` is cancelled.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let done = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            done = round(&shared) => done,
        };
        if let Err(error) = done {
            tracing::warn!(%error, "cannot compare new tracks, trying again");
        }
        let is_waiting = !shared.comparisons.own().is_empty();
        let pause = if is_waiting { INDEX_AGAIN } else { LOOK_FOR_OTHERS };
        tokio::select! {
            () = stop.cancelled() => return,
            // While tracks wait for the index, a new track does not shorten the pause: the index does not have it yet
            // either.
            () = shared.comparisons.added.notified(), if !is_waiting => {}
            () = sleep(pause) => {}
        }
    }
}

async fn round(shared: &Arc<Shared>) -> Result<(), FilesError> {
    compare_own(shared).await?;
    if !shared.journal().turn(TURN, LOOK_FOR_OTHERS).await? {
        return Ok(());
    }
    let mut after = None;
    loop {
        let page = shared.catalog.pending_comparisons(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(*last);
        for track in page {
            compare(shared, track).await?;
        }
    }
}

/// Compares the tracks that this process has added, as far as the index has them.
async fn compare_own(shared: &Arc<Shared>) -> Result<(), FilesError> {
    for track in shared.comparisons.own() {
        if compare(shared, track).await? {
            shared.comparisons.forget(track);
        }
    }
    Ok(())
}

/// Compares the tracks that this process has added. Those that the index does not get in time stay pending.
pub(super) async fn compare_by_hand(shared: &Arc<Shared>) -> Result<(), FilesError> {
    let until = Instant::now() + BY_HAND_WITHIN;
    loop {
        compare_own(shared).await?;
        if shared.comparisons.own().is_empty() || Instant::now() >= until || shared.stop.is_cancelled() {
            return Ok(());
        }
        let _ = timeout(INDEX_AGAIN, shared.stop.cancelled()).await;
    }
}

/// Compares one track. Returns false if the index does not have it yet.
async fn compare(shared: &Arc<Shared>, number: TrackNumber) -> Result<bool, FilesError> {
    let track = shared.catalog.by_numbers(&[number]).await?.pop().filter(|track| track.removed_at.is_none());
    let packed = shared.catalog.constellations(&[number]).await?.pop();
    let (Some(track), Some((_, packed))) = (track, packed) else { return Ok(true) };
    // Changes enter the index in their order: a snapshot with this track has all earlier ones.
    if shared.index.snapshot().track_seconds(number).is_none() {
        return Ok(false);
    }
    let links = links(shared, &track, &packed).await?;
    shared.catalog.finish_comparisons(&[number], &links).await?;
    Ok(true)
}

async fn links(shared: &Arc<Shared>, track: &Track, packed: &[u8]) -> Result<Vec<NearDuplicate>, FilesError> {
    let constellation = match Constellation::from_bytes(packed) {
        Ok(constellation) => constellation,
        Err(error) => {
            tracing::warn!(track = %track.id, %error, "track has a damaged fingerprint, it is not compared");
            return Ok(Vec::new());
        }
    };
    let (on_thread, number) = (Arc::clone(shared), track.number);
    // Only used in the error message after a panic.
    let object = ObjectName { bucket: String::new(), key: track.source.clone() };
    let found = shared.on_thread(&object, move || {
        shared_sound(number, &constellation, |probe, effort| {
            let matches = on_thread.search_with(probe, effort)?;
            let copies = matches.alternatives.iter().map(|other| &other.best);
            Ok::<_, IndexError>(matches.found.iter().chain(copies).map(|found| found.track).collect())
        })
    });
    let mut links = Vec::new();
    for link in found.await?? {
        let Some(of) = shared.catalog.by_numbers(&[link.of]).await?.pop() else { continue };
        if is_near_duplicate(&link, track, &of) {
            let (of, seconds) = (of.source, hours(link.seconds));
            tracing::info!(
                source = track.source,
                of,
                seconds,
                "near-duplicate of another track; both are kept and linked"
            );
            links.push(link);
        }
    }
    Ok(links)
}

//! Compares new tracks with earlier ones, and stores links between tracks with the same audio.
//!
//! The catalog stores with each new track that its comparison is pending. The comparison is possible when the index
//! contains the track, because the index then also contains all earlier ones. The links and the end of the comparison
//! are stored in one transaction, so no interruption loses a link.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{NearDuplicate, Track, TrackNumber};
use refrain_core::fingerprint::Constellation;
use refrain_core::index::IndexError;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::error::FilesError;
use super::shared::FilesContext;
use crate::cloud::ObjectName;
use refrain_app::audio_file::{format_duration, is_near_duplicate, shared_audio};

/// Interval at which this process checks if the index contains its new tracks. The index follows the catalog within a
/// second, so a track is compared after a few checks. At half this value, each check costs the same queries twice as
/// often; at twice this value, a link is stored up to a second late.
const INDEX_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Interval at which one of all processes makes pending comparisons of other processes, which may have been killed. At
/// half this value, the database has twice the queries; at twice this value, links of a killed process are stored a
/// minute later.
const OTHERS_INTERVAL: Duration = Duration::from_secs(60);

/// Name of this periodic job for [`refrain_catalog::StreamLeases::claim_turn`].
const JOB_NAME: &str = "compare new tracks";

/// Number of tracks per query for pending comparisons. The result of a query is a list of numbers, some kilobytes. The
/// value only matters after a large import: at half this value, it needs twice the queries.
const PAGE_ROWS: u32 = 1_000;

/// Maximum time that a command that indexes objects waits until the index contains its tracks; usually that takes
/// seconds. Other processes compare the remaining tracks later. At half this value, a command leaves more comparisons
/// to the service; at twice this value, it hangs for two minutes if no index is updated.
const INDEX_TIMEOUT: Duration = Duration::from_secs(60);

/// Compares new tracks until `stop` is cancelled.
pub(super) async fn run(shared: Arc<FilesContext>, stop: CancellationToken) {
    loop {
        let done = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            done = round(&shared) => done,
        };
        if let Err(error) = done {
            tracing::warn!(
                %error,
                max_pause_seconds = OTHERS_INTERVAL.as_secs(),
                "cannot search for near-duplicates of new tracks, retrying; links between them are stored later"
            );
        }
        let is_waiting = !shared.comparisons.own().is_empty();
        let pause = if is_waiting { INDEX_POLL_INTERVAL } else { OTHERS_INTERVAL };
        tokio::select! {
            () = stop.cancelled() => return,
            // While tracks wait for the index, a new track does not shorten the pause: the index does not contain the
            // new track yet either.
            () = shared.comparisons.added(), if !is_waiting => {}
            () = sleep(pause) => {}
        }
    }
}

async fn round(shared: &Arc<FilesContext>) -> Result<(), FilesError> {
    compare_own(shared).await?;
    if !shared.journal().claim_turn(JOB_NAME, OTHERS_INTERVAL).await? {
        return Ok(());
    }
    // Tracks of other processes are included: their owners may have been killed. A comparison that is done twice stores
    // the same links.
    let mut after = None;
    loop {
        let page = shared.catalog.pending_comparisons(after, PAGE_ROWS).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(*last);
        for track in page {
            compare(shared, track).await?;
        }
    }
}

/// Compares the tracks that this process has added, if the index contains them.
async fn compare_own(shared: &Arc<FilesContext>) -> Result<(), FilesError> {
    for track in shared.comparisons.own() {
        if compare(shared, track).await? {
            shared.comparisons.forget(track);
        }
    }
    Ok(())
}

/// Compares the tracks that this process has added. Tracks that the index does not contain within [`INDEX_TIMEOUT`]
/// stay pending.
pub(super) async fn compare_before_exit(shared: &Arc<FilesContext>) -> Result<(), FilesError> {
    let until = Instant::now() + INDEX_TIMEOUT;
    loop {
        compare_own(shared).await?;
        if shared.comparisons.own().is_empty() || Instant::now() >= until || shared.stop.is_cancelled() {
            return Ok(());
        }
        let _ = timeout(INDEX_POLL_INTERVAL, shared.stop.cancelled()).await;
    }
}

/// Compares one track. Returns false if the index does not contain the track yet.
async fn compare(shared: &Arc<FilesContext>, number: TrackNumber) -> Result<bool, FilesError> {
    let track = shared.catalog.by_numbers(&[number]).await?.pop().filter(|track| track.removed_at.is_none());
    let packed = shared.catalog.constellations(&[number]).await?.pop();
    // The track was removed or replaced, so nothing is left to compare.
    let (Some(track), Some((_, packed))) = (track, packed) else { return Ok(true) };
    // Changes enter the index in their order: a snapshot with this track has all earlier ones.
    // Comparing against an older index would find no link and still mark the comparison as done.
    if shared.index.snapshot().track_seconds(number).is_none() {
        return Ok(false);
    }
    let links = links(shared, &track, &packed).await?;
    shared.catalog.finish_comparisons(&[number], &links).await?;
    Ok(true)
}

async fn links(
    shared: &Arc<FilesContext>,
    track: &Track,
    packed: &[u8],
) -> Result<Vec<NearDuplicate>, FilesError> {
    let constellation = match Constellation::from_bytes(packed) {
        Ok(constellation) => constellation,
        Err(error) => {
            tracing::warn!(
                track = %track.id,
                source = track.source,
                %error,
                "fingerprint of the track is damaged, not searching for its near-duplicates"
            );
            return Ok(Vec::new());
        }
    };
    let (on_thread, number) = (Arc::clone(shared), track.number);
    // Only used in the error message after a panic.
    let object = ObjectName { bucket: String::new(), key: track.source.clone() };
    let found = shared.on_thread(&object, move || {
        shared_audio(number, &constellation, |probe, effort| {
            let matches = on_thread.search_with(probe, effort)?;
            let copies = matches.alternatives.iter().map(|other| &other.best);
            Ok::<_, IndexError>(matches.found.iter().chain(copies).map(|found| found.track).collect())
        })
    });
    let mut links = Vec::new();
    for link in found.await?? {
        let Some(of) = shared.catalog.by_numbers(&[link.of]).await?.pop() else { continue };
        if is_near_duplicate(&link, track, &of) {
            let (of, seconds) = (of.source, format_duration(link.seconds));
            tracing::info!(
                source = track.source,
                of,
                shared_audio = seconds,
                "track is a near-duplicate of another track, keeping and linking both"
            );
            links.push(link);
        }
    }
    Ok(links)
}

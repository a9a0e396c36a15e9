//! Detections that an earlier worker made in a stream, read at a take-over.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{CatalogError, DetectionSource, StoredDetection, Stream, Track};
use refrain_net::Backoff;
use tokio::time::sleep;

use super::shared::{StreamsContext, stream_asset_id, was_followed};

/// Minimum and maximum pause before the database is queried again. The stream is not decoded during a pause, so the
/// pauses are short: at twice the maximum, the stream starts up to 10 s late.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Maximum age of final detections that are read, in milliseconds. It covers the window of a playlist and the delay of
/// the stream. At half this value, a song that ended can be reported twice in a stream with a long DVR window. At twice
/// this value, usually no more rows are read, because of [`MAX_FINALS`].
const RECENT_FINALS_MS: i64 = 5 * 60_000;

/// Maximum number of final detections that are read. Within [`RECENT_FINALS_MS`] a stream plays few songs; 16 allow for
/// jingles. At half this value, a series of jingles can be reported twice; at twice this value, the query returns more
/// rows.
const MAX_FINALS: u32 = 16;

/// The open airings of a stream, and its latest final ones, as earlier workers stored them.
#[derive(Debug, Default)]
pub(super) struct EarlierDetections {
    /// Open airings, ordered by start.
    pub(super) detections: Vec<StoredDetection>,
    /// Tracks of the open airings, in no particular order.
    pub(super) tracks: Vec<Track>,
    /// Airings that ended within the last [`RECENT_FINALS_MS`] milliseconds.
    pub(super) finals: Vec<StoredDetection>,
}

/// Reads the airings of a stream, with retries until the database answers.
pub(super) async fn open_airings(shared: &Arc<StreamsContext>, stream: &Stream) -> EarlierDetections {
    let mut backoff = Backoff::new(PAUSES);
    loop {
        match read_once(shared, stream).await {
            Ok(opened) => return opened,
            Err(error) => {
                tracing::warn!(stream = stream.id, %error, "cannot read earlier detections of the stream, retrying");
                sleep(backoff.next()).await;
            }
        }
    }
}

async fn read_once(shared: &StreamsContext, stream: &Stream) -> Result<EarlierDetections, CatalogError> {
    let detected_in = DetectionSource::Stream(stream_asset_id(stream).to_owned());
    let detections = shared.journal().open_detections(&detected_in).await?;
    // A new session has no earlier finals of its own. Those of another session with the same name would suppress its
    // first song.
    let finals = if was_followed(stream) {
        shared
            .journal()
            .recently_final_detections(&detected_in, shared.now() - RECENT_FINALS_MS, MAX_FINALS)
            .await?
    } else {
        Vec::new()
    };
    // Without open airings, the query for their tracks is not needed.
    if detections.is_empty() {
        return Ok(EarlierDetections { finals, ..EarlierDetections::default() });
    }
    let numbers: Vec<_> = detections.iter().map(|open| open.detection.detected.track).collect();
    let tracks = shared.catalog.by_numbers(&numbers).await?;
    Ok(EarlierDetections { detections, tracks, finals })
}

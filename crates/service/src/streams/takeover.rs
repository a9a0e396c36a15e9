//! What somebody else had found in a stream before.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{CatalogError, Detection, HeardIn, Stream, Track};
use refrain_core::matching::Match;
use refrain_stream::Backoff;
use tokio::time::sleep;

use super::shared::{Shared, now, outside_name, was_followed};
use crate::monitor::OpenAiring;

/// Pauses before the database is asked again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// So far back airings are looked for that are over: a playlist's window and the delay of the stream, milliseconds.
const LATELY: i64 = 5 * 60_000;

/// Most of them.
const FINALS: u32 = 16;

/// The airings of a stream that go on, as they were written down.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// As the monitor needs them, in the order of their starts.
    pub(super) airings: Vec<OpenAiring>,
    /// As they are written down, in the same order.
    pub(super) detections: Vec<Detection>,
    /// Their tracks, in any order.
    pub(super) tracks: Vec<Track>,
    /// Airings that were over lately.
    pub(super) finals: Vec<Detection>,
}

/// Asks for them until there is an answer.
pub(super) async fn open_airings(shared: &Arc<Shared>, stream: &Stream) -> Opened {
    let mut backoff = Backoff::new(PAUSES);
    loop {
        match ask(shared, stream).await {
            Ok(opened) => return opened,
            Err(error) => {
                tracing::warn!(stream = stream.id, %error, "cannot read what was heard of the stream; trying again");
                sleep(backoff.next()).await;
            }
        }
    }
}

async fn ask(shared: &Shared, stream: &Stream) -> Result<Opened, CatalogError> {
    let heard_in = HeardIn::Stream(outside_name(stream).to_owned());
    let detections = shared.journal().open_detections(&heard_in).await?;
    let finals = if was_followed(stream) {
        shared.journal().lately_final(&heard_in, now() - LATELY, FINALS).await?
    } else {
        Vec::new()
    };
    if detections.is_empty() {
        return Ok(Opened { finals, ..Opened::default() });
    }
    let numbers: Vec<_> = detections.iter().map(|detection| detection.track).collect();
    let tracks = shared.catalog.by_numbers(&numbers).await?;
    let airings =
        detections.iter().map(|detection| OpenAiring { id: detection.id, heard: heard(detection) }).collect();
    Ok(Opened { airings, detections, tracks, finals })
}

/// What is known of it; its times are seconds since 1970. Aligned landmarks are not written down.
pub(super) fn heard(detection: &Detection) -> Match {
    Match {
        track: detection.track,
        query_start: detection.start_at as f64 / 1000.0,
        query_end: detection.end_at as f64 / 1000.0,
        reference_start: detection.reference_start,
        speed: detection.speed,
        pitch_cents: detection.pitch_cents,
        false_positive_probability: detection.false_positive_probability,
        aligned_landmarks: 0,
        expected_peaks: detection.expected_peaks,
        matched_peaks: detection.matched_peaks,
        segments: Vec::new(),
    }
}

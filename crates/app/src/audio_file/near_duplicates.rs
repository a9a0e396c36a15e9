//! Detects tracks that share audio with tracks that were indexed earlier.

use std::collections::BTreeMap;

use refrain_catalog::{NearDuplicate, Track, TrackNumber};
use refrain_core::fingerprint::{Constellation, Peak, TICKS_PER_SECOND};
use refrain_core::matching::Effort;

/// Minimum share of the shorter of two tracks that must also be in the longer one, for the two to be near-duplicates.
/// Songs that share only a sample or a loop are below 0.5; an edit and its original are above. At 0.25, a remix with a
/// long sample would be linked; near 1, an edit with a new intro would not.
const MIN_SHARED_PART: f64 = 0.5;

/// Length in seconds of each stretch of a track that is searched. It is also the length of the windows of long inputs.
/// With 5 s, quiet stretches are not found reliably; with 20 s, a shared part of 10 s is found only partly, and each
/// search takes twice as long.
const PROBE_SECONDS: f64 = 10.0;

/// Distance in seconds between the starts of the stretches that the first pass searches. The first pass searches a
/// third of a new track, and each shared part of 40 s contains a complete stretch. With 15 s, it would search two
/// thirds of the track; with 60 s, a shared part of less than 70 s could contain no complete stretch.
const FIRST_PROBE_INTERVAL_SECONDS: f64 = 30.0;

/// Maximum number of stretches of the second pass, which measures the shared duration; the first pass searches at most
/// one more. The limit bounds the time for a recording of hours. The stretches of the second pass are spread evenly
/// over the track, so the length of a shared part is measured in steps of a twentieth of the track. With 10 stretches,
/// the steps are a tenth of the track; with 40, long tracks take twice as long.
const MAX_PROBES: usize = 20;

/// Returns links from the track `own` to the earlier tracks that share audio with it, with the shared duration in
/// seconds. The list is empty if none exist. `constellation` has the peaks of `own`. `find` must return all tracks
/// that contain the audio of a stretch, including copies of one recording.
///
/// # Errors
/// Returns the first error of `find`.
pub fn shared_audio<E>(
    own: TrackNumber,
    constellation: &Constellation,
    find: impl Fn(&Constellation, Effort) -> Result<Vec<TrackNumber>, E>,
) -> Result<Vec<NearDuplicate>, E> {
    let earlier = |from: f64, effort: Effort| -> Result<Vec<TrackNumber>, E> {
        // Only earlier tracks count, so that each pair of tracks is compared once, when the later track is indexed.
        Ok(find(&stretch(constellation, from), effort)?.into_iter().filter(|track| *track < own).collect())
    };
    let last = (constellation.seconds - PROBE_SECONDS).max(0.0);
    let first = (last / FIRST_PROBE_INTERVAL_SECONDS).floor().clamp(0.0, MAX_PROBES as f64) as u32;
    let mut is_copy = false;
    for probe in 0..=first {
        // One hit is sufficient, so the remaining stretches of this pass are not searched.
        is_copy =
            is_copy || !earlier(FIRST_PROBE_INTERVAL_SECONDS * f64::from(probe), Effort::Fast)?.is_empty();
    }
    // The search at other speeds takes much longer, so a track without a hit so far is searched at other speeds only in
    // one stretch.
    if !is_copy && earlier(last / 2.0, Effort::Normal)?.is_empty() {
        return Ok(Vec::new());
    }
    // If the first pass found a copy, the fast search also finds its other stretches.
    let effort = if is_copy { Effort::Fast } else { Effort::Normal };
    let probes = (constellation.seconds / PROBE_SECONDS).ceil().clamp(1.0, MAX_PROBES as f64);
    let mut found: BTreeMap<TrackNumber, f64> = BTreeMap::new();
    for probe in 0..probes as u32 {
        for track in earlier(last * f64::from(probe) / (probes - 1.0).max(1.0), effort)? {
            // Each hit counts as an equal share of the track, because the stretches of a long track do not cover all of
            // it.
            *found.entry(track).or_default() += constellation.seconds / probes;
        }
    }
    Ok(found.into_iter().map(|(of, seconds)| NearDuplicate { track: own, of, seconds }).collect())
}

/// Returns true if the duration of the shared audio in `link` is more than half of the shorter of the linked tracks
/// `track` and `of`.
#[must_use]
pub fn is_near_duplicate(link: &NearDuplicate, track: &Track, of: &Track) -> bool {
    link.seconds > MIN_SHARED_PART * track.seconds.min(of.seconds)
}

/// Returns the peaks of the stretch of 10 s that starts at `from` seconds. The times of the peaks are relative to
/// `from`.
fn stretch(constellation: &Constellation, from: f64) -> Constellation {
    let start = (from * TICKS_PER_SECOND) as u32;
    let end = start.saturating_add((PROBE_SECONDS * TICKS_PER_SECOND) as u32);
    let first = constellation.peaks.partition_point(|peak| peak.time < start);
    let last = constellation.peaks.partition_point(|peak| peak.time < end);
    let peaks = constellation.peaks[first..last].iter();
    let peaks = peaks.map(|peak| Peak { time: peak.time - start, ..*peak }).collect();
    Constellation::new(constellation.seconds.min(PROBE_SECONDS), peaks)
}

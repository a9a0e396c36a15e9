//! Detects tracks that share audio with earlier ones.

use std::collections::BTreeMap;

use refrain_catalog::{NearDuplicate, Track, TrackNumber};
use refrain_core::fingerprint::{Constellation, Peak, TICKS_PER_SECOND};
use refrain_core::matching::Effort;

/// Minimum share of the shorter one of two near-duplicates that is also in the other one. Songs that share a sample or
/// a loop stay below; an edit and its original are above, whichever was indexed first. At 0.25, a remix with a long
/// sample is linked; near 1, an edit with a new intro is not.
const MIN_SHARED_PART: f64 = 0.5;

/// Length in seconds of the stretches that are searched. It is the length of the windows in which long inputs are
/// searched. At half this value, quiet stretches are not found reliably; at twice this value, a shared part of 10 s is
/// found only partly, at twice the cost.
const PROBE_SECONDS: f64 = 10.0;

/// Distance in seconds between the stretches that are searched first. An edit of a longer track is found wherever it
/// was taken from, and a new track costs a third of its stretches. At half this value, a new track costs two thirds of
/// them; at twice this value, a shared part of less than a minute can lie between two stretches.
const FIRST_PROBE_INTERVAL_SECONDS: f64 = 30.0;

/// Maximum number of stretches that are searched. They are spread over the track, so the length of the shared part is
/// measured in steps of a twentieth of the track, and a recording of hours is not searched completely. At half this
/// value, the steps are a tenth; at twice this value, long tracks cost twice as much.
const MAX_PROBES: usize = 20;

/// Returns the earlier tracks that share audio with the track `own`, whose peaks are `constellation`, with the seconds
/// of it that they share. `find` returns all tracks that a stretch would be found in if each were the only one.
///
/// # Errors
/// The error of `find`.
pub fn shared_audio<E>(
    own: TrackNumber,
    constellation: &Constellation,
    find: impl Fn(&Constellation, Effort) -> Result<Vec<TrackNumber>, E>,
) -> Result<Vec<NearDuplicate>, E> {
    let earlier = |from: f64, effort: Effort| -> Result<Vec<TrackNumber>, E> {
        // Only earlier tracks count. Each pair is then compared once, when the later track is indexed.
        Ok(find(&stretch(constellation, from), effort)?.into_iter().filter(|track| *track < own).collect())
    };
    let last = (constellation.seconds - PROBE_SECONDS).max(0.0);
    let first = (last / FIRST_PROBE_INTERVAL_SECONDS).floor().clamp(0.0, MAX_PROBES as f64) as u32;
    let mut is_copy = false;
    for probe in 0..=first {
        // The first hit decides, so the remaining stretches of this pass are not searched.
        is_copy =
            is_copy || !earlier(FIRST_PROBE_INTERVAL_SECONDS * f64::from(probe), Effort::Fast)?.is_empty();
    }
    // A search at other speeds takes more effort, so a track that seems to be new gets it for one stretch only.
    if !is_copy && earlier(last / 2.0, Effort::Normal)?.is_empty() {
        return Ok(Vec::new());
    }
    // A copy at the same speed was found with little effort, and the same effort finds its other stretches.
    let effort = if is_copy { Effort::Fast } else { Effort::Normal };
    let probes = (constellation.seconds / PROBE_SECONDS).ceil().clamp(1.0, MAX_PROBES as f64);
    let mut found: BTreeMap<TrackNumber, f64> = BTreeMap::new();
    for probe in 0..probes as u32 {
        for track in earlier(last * f64::from(probe) / (probes - 1.0).max(1.0), effort)? {
            // Each stretch stands for its share of the track, because stretches of a long track do not cover all of it.
            *found.entry(track).or_default() += constellation.seconds / probes;
        }
    }
    Ok(found.into_iter().map(|(of, seconds)| NearDuplicate { track: own, of, seconds }).collect())
}

/// Returns true if two tracks share most of the shorter one.
#[must_use]
pub fn is_near_duplicate(link: &NearDuplicate, track: &Track, of: &Track) -> bool {
    link.seconds > MIN_SHARED_PART * track.seconds.min(of.seconds)
}

/// Returns the peaks of a stretch, moved to start at 0.
fn stretch(constellation: &Constellation, from: f64) -> Constellation {
    let start = (from * TICKS_PER_SECOND) as u32;
    let end = start.saturating_add((PROBE_SECONDS * TICKS_PER_SECOND) as u32);
    let first = constellation.peaks.partition_point(|peak| peak.time < start);
    let last = constellation.peaks.partition_point(|peak| peak.time < end);
    let peaks = constellation.peaks[first..last].iter();
    let peaks = peaks.map(|peak| Peak { time: peak.time - start, ..*peak }).collect();
    Constellation::new(constellation.seconds.min(PROBE_SECONDS), peaks)
}

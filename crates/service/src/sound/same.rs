//! The same sound under another name.

use std::collections::BTreeMap;

use refrain_catalog::{NearDuplicate, TrackNumber};
use refrain_core::fingerprint::{Constellation, Peak, TICKS_PER_SECOND};

/// Share of a track that must be the sound of another: "most of it". Songs that share a sample or a loop
/// stay below, an edit with a longer intro above.
const SAME_SHARE: f64 = 0.5;

/// Length in seconds of the stretches that are looked for. The middle one is looked for first: a track that
/// is there as a whole is there in its middle, and this costs a fraction.
const PROBE_SECONDS: f64 = 10.0;

/// Most stretches that are looked for, so that a recording of hours is not searched from end to end.
const MOST_PROBES: usize = 60;

/// Tracks that sound like a new one, of these peaks, the other one always being the earlier. `same_sound` gives all tracks
/// that a stretch would be found in if each were the only one.
///
/// # Errors
/// What `same_sound` fails with.
pub fn near_duplicates<E>(
    own: TrackNumber,
    whole: &Constellation,
    same_sound: impl Fn(&Constellation) -> Result<Vec<TrackNumber>, E>,
) -> Result<Vec<NearDuplicate>, E> {
    let earlier = |probe: &Constellation| -> Result<Vec<TrackNumber>, E> {
        Ok(same_sound(probe)?.into_iter().filter(|track| *track < own).collect())
    };
    let last = (whole.seconds - PROBE_SECONDS).max(0.0);
    if earlier(&stretch(whole, last / 2.0))?.is_empty() {
        return Ok(Vec::new());
    }
    let probes = (whole.seconds / PROBE_SECONDS).ceil().clamp(1.0, MOST_PROBES as f64);
    let mut heard: BTreeMap<TrackNumber, f64> = BTreeMap::new();
    for probe in 0..probes as u32 {
        for track in earlier(&stretch(whole, last * f64::from(probe) / (probes - 1.0).max(1.0)))? {
            *heard.entry(track).or_default() += 1.0;
        }
    }
    let same = heard.into_iter().map(|(of, heard)| (of, heard / probes));
    let same = same.filter(|(_, share)| *share > SAME_SHARE);
    Ok(same.map(|(of, share)| NearDuplicate { track: own, of, seconds: share * whole.seconds }).collect())
}

/// Peaks of a stretch, moved to start at 0.
fn stretch(whole: &Constellation, from: f64) -> Constellation {
    let start = (from * TICKS_PER_SECOND) as u32;
    let end = start.saturating_add((PROBE_SECONDS * TICKS_PER_SECOND) as u32);
    let first = whole.peaks.partition_point(|peak| peak.time < start);
    let last = whole.peaks.partition_point(|peak| peak.time < end);
    let peaks = whole.peaks[first..last].iter();
    let peaks = peaks.map(|peak| Peak { time: peak.time - start, ..*peak }).collect();
    Constellation::new(whole.seconds.min(PROBE_SECONDS), peaks)
}

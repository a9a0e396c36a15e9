//! Durations of segments and the target duration, checked against the usual duration of the segments.
//!
//! Encoders that compute durations from time stamps write absurd values at a jump of the time stamps, for example
//! `EXTINF:47727.86` for a segment of 2 s, and an equal target duration. Such values would delay the next load, and
//! would move all later times.

use super::tags::inf;

/// Largest accepted duration of a segment, seconds. Recordings have segments of minutes at most. The limit bounds gaps
/// that are computed from untrusted durations of playlists without a usual duration. At half this value, nothing changes
/// for known servers; at twice this value, one wrong duration moves the positions by up to two hours.
const MAX_SEGMENT_SECONDS: f64 = 3600.0;

/// Longest plausible duration of a segment, in usual durations. Encoders that cut at scene changes write segments of up
/// to four usual durations. At half this value, a long segment after short ads is shortened; at twice this value, one
/// wrong duration moves the positions by up to twenty segments.
const MAX_USUAL_DURATIONS: f64 = 10.0;

/// Duration that is always plausible, seconds: the longest pause between two loads, so that no shorter duration delays
/// a load. At half this value, segments of 20 s among segments of 1 s are shortened; at twice this value, one wrong
/// duration moves the positions of a stream with short segments by up to a minute.
const MIN_ABSURD_SECONDS: f64 = 30.0;

/// Number of durations that determine a usual duration. With two, the wrong one can be either. At twice this value, the
/// shortest live playlists, which list three segments, are not checked.
const MIN_DURATIONS: usize = 3;

/// Target duration of a playlist with neither a target duration nor durations of segments, seconds: the duration that
/// Apple recommends. At half this value, an empty playlist is loaded twice as often; at twice this value, its first
/// segment is noticed later.
const FALLBACK_TARGET_SECONDS: f64 = 6.0;

/// The durations of a playlist that are plausible.
#[derive(Debug, Clone, Copy)]
pub(super) struct Durations {
    /// Target duration, seconds; at least 0.1.
    pub(super) target: f64,
    /// Median of the durations, seconds; `None` if there are too few.
    usual: Option<f64>,
    /// Longest plausible duration, seconds.
    max: f64,
}

impl Durations {
    /// Determines the durations of a playlist. `read` must not contain the segment that `rewrite` adds.
    pub(super) fn of(read: &m3u8_rs::MediaPlaylist) -> Self {
        let written = read.segments.iter().filter_map(|segment| inf(&segment.unknown_tags).0);
        let mut durations: Vec<f64> = written.filter(|seconds| *seconds <= MAX_SEGMENT_SECONDS).collect();
        let middle = durations.len() / 2;
        let usual = (durations.len() >= MIN_DURATIONS)
            .then(|| *durations.select_nth_unstable_by(middle, f64::total_cmp).1)
            .filter(|usual| *usual > 0.0);
        let max = usual.map_or(MAX_SEGMENT_SECONDS, |usual| {
            (usual * MAX_USUAL_DURATIONS).clamp(MIN_ABSURD_SECONDS, MAX_SEGMENT_SECONDS)
        });
        let declared = (read.target_duration as f64).min(MAX_SEGMENT_SECONDS);
        let longest = durations.into_iter().filter(|seconds| *seconds <= max).fold(0.0, f64::max);
        let target = if declared > 0.0 && declared <= max {
            declared
        } else if longest > 0.0 {
            longest.max(0.1)
        } else {
            FALLBACK_TARGET_SECONDS
        };
        Self { target, usual, max }
    }

    /// Returns the duration of a segment in seconds. `written` is its duration in the playlist; `None` if it is missing
    /// or invalid.
    pub(super) fn seconds(&self, written: Option<f64>) -> f64 {
        match written {
            Some(seconds) if seconds <= self.max => seconds,
            Some(_) => self.usual.unwrap_or(self.target),
            None => self.target,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Playlist, parse};

    /// Returns the target duration, and the durations of the segments, of a playlist.
    fn durations(target: &str, written: &[&str]) -> (f64, Vec<f64>) {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:{target}\n");
        for (index, seconds) in written.iter().enumerate() {
            text.push_str(&format!("#EXTINF:{seconds},\n{index}.ts\n"));
        }
        let base = url::Url::parse("http://h.example/l.m3u8").unwrap();
        let Ok(Playlist::Media(list)) = parse(text.as_bytes(), &base) else { panic!("no media playlist") };
        (list.target, list.segments.iter().map(|segment| segment.seconds).collect())
    }

    #[test]
    fn one_absurd_duration_becomes_the_usual_duration() {
        let (target, seconds) = durations("47728", &["2.0", "2.1", "47727.863189", "1.9", "2.0"]);
        assert_eq!((target, seconds), (2.1, vec![2.0, 2.1, 2.0, 1.9, 2.0]));
        let (target, seconds) = durations("3", &["2.0", "2.1", "60", "1.9", "2.0"]);
        assert_eq!((target, seconds), (3.0, vec![2.0, 2.1, 2.0, 1.9, 2.0]));
    }

    #[test]
    fn long_segments_are_not_absurd_if_they_are_usual() {
        let (target, seconds) = durations("600", &["600", "598.5", "4", "601"]);
        assert_eq!((target, seconds), (600.0, vec![600.0, 598.5, 4.0, 601.0]));
        // A scene of 19 s after ads of 2 s.
        let (target, seconds) = durations("19", &["2", "2", "2", "19"]);
        assert_eq!((target, seconds), (19.0, vec![2.0, 2.0, 2.0, 19.0]));
    }

    #[test]
    fn two_segments_have_no_usual_duration() {
        let (target, seconds) = durations("90", &["2", "90"]);
        assert_eq!((target, seconds), (90.0, vec![2.0, 90.0]));
        assert_eq!(durations("2", &["2", "1e300"]).1, [2.0, 2.0]);
        assert_eq!(durations("2", &["2", "-5", "inf", "NaN"]).1, [2.0; 4]);
    }

    proptest! {
        #[test]
        fn plausible_durations_are_kept(seconds in prop::collection::vec(1.0_f64..10.0, 1..40)) {
            let written: Vec<String> = seconds.iter().map(ToString::to_string).collect();
            let written: Vec<&str> = written.iter().map(String::as_str).collect();
            prop_assert_eq!(durations("10", &written), (10.0, seconds));
        }
    }
}

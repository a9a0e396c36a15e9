//! Compares the peaks that a song should have in an input with the peaks of the input.

use refrain_core::fingerprint::{Peak, STEPS_PER_HERTZ, TICKS_PER_SECOND};
use refrain_core::matching::Match;

/// Maximum distance in time, in ticks ([`TICKS_PER_SECOND`]), between an expected peak of the song and a peak of the
/// input for the expected peak to count as found. It is about three standard errors of a peak after a codec. The
/// matcher uses the same tolerance in its final stage; with another value, the picture would show other peaks as found
/// than the match counts.
const TOLERANCE_TICKS: f64 = 4.0;
/// Maximum distance in frequency, in steps ([`STEPS_PER_HERTZ`]), between an expected peak and a peak of the input. The
/// matcher uses the same tolerance.
const TOLERANCE_STEPS: f64 = 6.0;
/// [`TOLERANCE_TICKS`] in milliseconds.
pub(super) const TOLERANCE_MS: f64 = 1000.0 * TOLERANCE_TICKS / TICKS_PER_SECOND;

/// Cents per octave.
const CENTS_PER_OCTAVE: f64 = 1200.0;

/// A peak of the song, with the time and frequency at which the match expects it in the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ExpectedPeak {
    /// Expected time in the input, in seconds.
    pub(super) seconds: f64,
    /// Expected frequency in the input, in hertz.
    pub(super) hertz: f64,
    /// True if the input has a peak within [`TOLERANCE_TICKS`] and [`TOLERANCE_STEPS`] of the expected time and
    /// frequency.
    pub(super) found: bool,
}

/// A peak of the input near an expected peak of the song, with its distance in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NearPeak {
    /// Expected time of the song's peak in the input, in seconds.
    pub(super) seconds: f64,
    /// Delay of the input's peak relative to the expected time, in milliseconds; negative if it is early.
    pub(super) late_ms: f64,
}

/// The straight line of a match, which converts times in the input to positions in the song.
#[derive(Debug, Clone, Copy)]
pub(super) struct AlignmentLine {
    /// Start of the match in the input, in seconds.
    pub(super) from: f64,
    /// End of the match in the input, in seconds.
    pub(super) to: f64,
    /// Position in the song at `from`, in seconds.
    pub(super) reference: f64,
    /// Seconds of the song per second of the input.
    pub(super) speed: f64,
    /// Frequency in the input divided by the frequency in the song.
    pub(super) pitch: f64,
}

impl AlignmentLine {
    /// Converts a time in the input to the position in the song, in seconds.
    pub(super) fn in_song(&self, seconds: f64) -> f64 {
        self.reference + (seconds - self.from) * self.speed
    }

    /// Converts a position in the song to the time in the input, in seconds.
    pub(super) fn in_input(&self, seconds: f64) -> f64 {
        self.from + (seconds - self.reference) / self.speed
    }
}

impl From<&Match> for AlignmentLine {
    fn from(found: &Match) -> Self {
        Self {
            from: found.query_start,
            to: found.query_end,
            reference: found.reference_start,
            speed: found.speed,
            pitch: 2f64.powf(found.pitch_cents / CENTS_PER_OCTAVE),
        }
    }
}

/// The result of comparing the peaks of a song with the peaks of an input along the line of a match.
#[derive(Debug, Default)]
pub(super) struct Aligned {
    pub(super) expected: Vec<ExpectedPeak>,
    pub(super) near: Vec<NearPeak>,
}

impl Aligned {
    /// Compares the peaks of a song with those of an input. Both lists have to be in order of time. Pairs of peaks
    /// whose distance in time is more than `max_delay_ms` milliseconds are ignored.
    pub(super) fn new(song: &[Peak], input: &[Peak], line: &AlignmentLine, max_delay_ms: f64) -> Self {
        // The distance is at least the tolerance. Otherwise some found peaks would not be among the near peaks.
        let max_delay_ticks = (max_delay_ms / 1000.0 * TICKS_PER_SECOND).max(TOLERANCE_TICKS);
        let expected_ticks =
            |peak: &Peak| line.in_input(f64::from(peak.time) / TICKS_PER_SECOND) * TICKS_PER_SECOND;
        let (from, to) = (line.from * TICKS_PER_SECOND, line.to * TICKS_PER_SECOND);
        // Expected times have the same order as the times in the song, so a binary search finds the first peak of the
        // match.
        let first = song.partition_point(|peak| expected_ticks(peak) < from);
        let mut aligned = Self::default();
        for peak in song[first..].iter().take_while(|peak| expected_ticks(peak) <= to) {
            let (time, frequency) = (expected_ticks(peak), f64::from(peak.frequency) * line.pitch);
            let seconds = time / TICKS_PER_SECOND;
            let mut is_found = false;
            let low = input.partition_point(|peak| f64::from(peak.time) < time - max_delay_ticks);
            let is_near = |other: &&Peak| f64::from(other.time) <= time + max_delay_ticks;
            for other in input[low..].iter().take_while(is_near) {
                if (f64::from(other.frequency) - frequency).abs() > TOLERANCE_STEPS {
                    continue;
                }
                let late_ticks = f64::from(other.time) - time;
                is_found |= late_ticks.abs() <= TOLERANCE_TICKS;
                aligned.near.push(NearPeak { seconds, late_ms: 1000.0 * late_ticks / TICKS_PER_SECOND });
            }
            aligned.expected.push(ExpectedPeak {
                seconds,
                hertz: frequency / STEPS_PER_HERTZ,
                found: is_found,
            });
        }
        aligned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peak(seconds: f64, hertz: f64) -> Peak {
        Peak {
            time: (seconds * TICKS_PER_SECOND).round() as u32,
            frequency: (hertz * STEPS_PER_HERTZ).round() as u16,
            rank: 0,
        }
    }

    #[test]
    fn peaks_are_expected_along_the_line_and_found_within_the_tolerance() {
        // At 2 s of the input, the song is at 10 s. It plays a quarter faster and one octave higher.
        let line = AlignmentLine { from: 2.0, to: 6.0, reference: 10.0, speed: 1.25, pitch: 2.0 };
        assert!((line.in_song(4.0) - 12.5).abs() < 1e-9);
        let song =
            [peak(9.9, 300.0), peak(11.25, 400.0), peak(12.5, 500.0), peak(13.75, 600.0), peak(15.1, 700.0)];
        let input = [peak(3.0, 800.0), peak(4.05, 1000.0), peak(5.0, 1250.0), peak(6.1, 1400.0)];
        let aligned = Aligned::new(&song, &input, &line, 100.0);
        let expected: Vec<_> =
            aligned.expected.iter().map(|e| (e.seconds.round(), (e.hertz / 10.0).round(), e.found)).collect();
        assert_eq!(expected, [(3.0, 80.0, true), (4.0, 100.0, false), (5.0, 120.0, false)]);
        assert_eq!(aligned.near.len(), 2);
        assert!(
            aligned.near[0].late_ms.abs() < 6.0 && (aligned.near[1].late_ms - 50.0).abs() < 6.0,
            "{aligned:?}"
        );
    }
}

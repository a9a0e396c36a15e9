//! Where a song's peaks are expected in an input, and what stands there.

use refrain_core::fingerprint::{Peak, STEPS_PER_HERTZ, TICKS_PER_SECOND};
use refrain_core::matching::Match;

/// How far from its place a peak may be found, as the engine has it in the end: about three standard errors of a
/// peak heard through a codec. Ticks …
const TICKS: f64 = 4.0;
/// … and steps.
const STEPS: f64 = 6.0;
/// The same time in milliseconds.
pub(super) const TOLERANCE: f64 = 1000.0 * TICKS / TICKS_PER_SECOND;

/// Cents of an octave.
const OCTAVE: f64 = 1200.0;

/// A peak of the song at its place in the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Expected {
    /// Time in the input, seconds.
    pub(super) seconds: f64,
    /// Frequency in the input, hertz.
    pub(super) hertz: f64,
    /// Whether a peak of the input stands there.
    pub(super) found: bool,
}

/// A peak of the input near to where one of the song is expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Near {
    /// When it was expected, seconds.
    pub(super) seconds: f64,
    /// How late it is, milliseconds.
    pub(super) late: f64,
}

/// Where a song runs beside an input: all that the picture needs of a match.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Start and end in the input, seconds.
    pub(super) from: f64,
    pub(super) to: f64,
    /// Position in the song at `from`, seconds.
    pub(super) reference: f64,
    /// Seconds of the song per second of the input.
    pub(super) speed: f64,
    /// Frequency in the input over that in the song.
    pub(super) pitch: f64,
}

impl Line {
    /// Position in the song at a time in the input, seconds.
    pub(super) fn in_song(&self, seconds: f64) -> f64 {
        self.reference + (seconds - self.from) * self.speed
    }

    /// Time in the input at a position in the song, seconds.
    pub(super) fn in_input(&self, seconds: f64) -> f64 {
        self.from + (seconds - self.reference) / self.speed
    }
}

impl From<&Match> for Line {
    fn from(found: &Match) -> Self {
        Self {
            from: found.query_start,
            to: found.query_end,
            reference: found.reference_start,
            speed: found.speed,
            pitch: 2f64.powf(found.pitch_cents / OCTAVE),
        }
    }
}

/// A song's peaks laid over an input along the line of a match.
#[derive(Debug, Default)]
pub(super) struct Aligned {
    pub(super) expected: Vec<Expected>,
    pub(super) near: Vec<Near>,
}

impl Aligned {
    /// Lays them out: `song` and `input` are peaks in order of time, `reach` is how far apart in time (milliseconds)
    /// peaks are compared.
    pub(super) fn new(song: &[Peak], input: &[Peak], line: &Line, reach: f64) -> Self {
        let reach = (reach / 1000.0 * TICKS_PER_SECOND).max(TICKS);
        let place = |peak: &Peak| line.in_input(f64::from(peak.time) / TICKS_PER_SECOND) * TICKS_PER_SECOND;
        let (from, to) = (line.from * TICKS_PER_SECOND, line.to * TICKS_PER_SECOND);
        let first = song.partition_point(|peak| place(peak) < from);
        let mut aligned = Self::default();
        for peak in song[first..].iter().take_while(|peak| place(peak) <= to) {
            let (time, frequency) = (place(peak), f64::from(peak.frequency) * line.pitch);
            let seconds = time / TICKS_PER_SECOND;
            let mut is_found = false;
            let low = input.partition_point(|peak| f64::from(peak.time) < time - reach);
            for other in input[low..].iter().take_while(|other| f64::from(other.time) <= time + reach) {
                if (f64::from(other.frequency) - frequency).abs() > STEPS {
                    continue;
                }
                let late = f64::from(other.time) - time;
                is_found |= late.abs() <= TICKS;
                aligned.near.push(Near { seconds, late: 1000.0 * late / TICKS_PER_SECOND });
            }
            aligned.expected.push(Expected { seconds, hertz: frequency / STEPS_PER_HERTZ, found: is_found });
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
        // From 2 s of the input on the song runs from 10 s, a quarter too fast and an octave up.
        let line = Line { from: 2.0, to: 6.0, reference: 10.0, speed: 1.25, pitch: 2.0 };
        assert!((line.in_song(4.0) - 12.5).abs() < 1e-9);
        let song =
            [peak(9.9, 300.0), peak(11.25, 400.0), peak(12.5, 500.0), peak(13.75, 600.0), peak(15.1, 700.0)];
        let input = [peak(3.0, 800.0), peak(4.05, 1000.0), peak(5.0, 1250.0), peak(6.1, 1400.0)];
        let aligned = Aligned::new(&song, &input, &line, 100.0);
        let expected: Vec<_> =
            aligned.expected.iter().map(|e| (e.seconds.round(), (e.hertz / 10.0).round(), e.found)).collect();
        assert_eq!(expected, [(3.0, 80.0, true), (4.0, 100.0, false), (5.0, 120.0, false)]);
        assert_eq!(aligned.near.len(), 2);
        assert!(aligned.near[0].late.abs() < 6.0 && (aligned.near[1].late - 50.0).abs() < 6.0, "{aligned:?}");
    }
}

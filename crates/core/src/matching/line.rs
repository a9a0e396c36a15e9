//! Alignment lines: the offset, speed and pitch at which a track is played in a query.

use std::ops::Range;

use crate::fingerprint::Peak;

/// Smallest relative change of speed or pitch that counts as a change. At half this value, slow turntables and drifting
/// clocks count as changed and need more evidence; at twice this value, recordings at 1.5 % count as unchanged,
/// although the first passes can fit them only partly.
const MIN_CHANGE: f64 = 0.01;

/// A straight line between the times of a query and of a track, with the ratio of their frequencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    /// Time in the track at the start of the query, in ticks; may be negative.
    pub(crate) offset: f64,
    /// Ticks of the track per tick of the query.
    pub(crate) speed: f64,
    /// Frequency in the query divided by the frequency in the track.
    pub(crate) pitch: f64,
}

impl Line {
    /// The line between a track and itself: the same time, speed and pitch.
    pub(crate) const IDENTITY: Self = Self { offset: 0.0, speed: 1.0, pitch: 1.0 };

    /// Returns the time in the track at a time of the query, both in ticks.
    pub(crate) fn reference(&self, query: f64) -> f64 {
        self.offset + self.speed * query
    }

    /// Returns the time in the query at a time of the track, both in ticks.
    pub(crate) fn query(&self, reference: f64) -> f64 {
        (reference - self.offset) / self.speed
    }

    /// Returns true if speed or pitch differ from those of the track by more than 1 %.
    pub(crate) fn is_changed(&self) -> bool {
        (self.speed - 1.0).abs().max((self.pitch - 1.0).abs()) > MIN_CHANGE
    }

    /// Returns the expected time (ticks) and frequency (steps) of a peak of the track in the query.
    pub(crate) fn place(&self, reference: &Peak) -> (f64, f64) {
        (self.query(f64::from(reference.time)), f64::from(reference.frequency) * self.pitch)
    }

    /// Returns the deviation of a peak of the query from the expected place of a peak of the track.
    pub(crate) fn deviation(&self, reference: &Peak, query: &Peak) -> PeakDeviation {
        let time_error = f64::from(query.time) - self.query(f64::from(reference.time));
        let frequency_error = f64::from(query.frequency) - f64::from(reference.frequency) * self.pitch;
        PeakDeviation {
            time_error: time_error as f32,
            frequency_error: frequency_error as f32,
            rank: query.rank,
        }
    }
}

/// Deviation of a found peak of the query from the expected place of a peak of the track, and the rank of the found
/// peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PeakDeviation {
    /// Deviation from the expected time, in ticks; positive if late.
    pub(crate) time_error: f32,
    /// Deviation from the expected frequency, in steps.
    pub(crate) frequency_error: f32,
    /// Rank of the query's peak.
    pub(crate) rank: u8,
}

/// Largest accepted deviation of a peak from its expected place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tolerance {
    /// Largest deviation of the time, in ticks.
    pub(crate) time: f64,
    /// Largest deviation of the frequency, in steps.
    pub(crate) frequency: f64,
    /// Additional frequency tolerance, as a fraction of the expected frequency.
    pub(crate) relative: f64,
}

/// Final tolerance of a peak's place: about three standard errors after a codec. At half this value, a tenth and more
/// of the true peaks fall outside; at twice this value, chance finds about four times as many wrong peaks.
pub(crate) const FINE: Tolerance = Tolerance { time: 4.0, frequency: 6.0, relative: 0.0 };

/// Result of looking up one peak of the track in the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PeakOutcome {
    /// Index of the track's peak.
    pub(crate) reference: u32,
    /// Index of the query's peak that was found at the expected place, or `None` if no peak was found.
    pub(crate) query: Option<u32>,
}

/// Number of integer time units per tick. Integers compare exactly for queries of any length. An eighth of a tick (0.7
/// ms) is far below the error of a peak, so half or twice this value changes no result noticeably.
const TIME_PARTS: i64 = 8;

/// Expected place of a peak of the track in the query, with its tolerance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpectedPlace {
    /// Expected time, in units of 1/[`TIME_PARTS`] tick.
    time: i64,
    /// Time tolerance, in units of 1/[`TIME_PARTS`] tick.
    time_reach: i64,
    /// Expected frequency, in steps.
    frequency: f32,
    /// Frequency tolerance, in steps.
    reach: f32,
}

impl ExpectedPlace {
    #[inline]
    pub(crate) fn new(peak: &Peak, line: &Line, tolerance: Tolerance) -> Self {
        let frequency = (f64::from(peak.frequency) * line.pitch) as f32;
        Self {
            time: (line.query(f64::from(peak.time)) * TIME_PARTS as f64) as i64,
            time_reach: (tolerance.time * TIME_PARTS as f64) as i64,
            frequency,
            reach: tolerance.frequency as f32 + tolerance.relative as f32 * frequency,
        }
    }

    /// Returns the first and the last tick that can be within the tolerance.
    #[inline]
    pub(crate) fn times(&self) -> (i64, i64) {
        (
            (self.time - self.time_reach).div_euclid(TIME_PARTS),
            (self.time + self.time_reach).div_euclid(TIME_PARTS),
        )
    }

    /// Returns the lowest and the highest frequency step within the tolerance.
    #[inline]
    pub(crate) fn frequencies(&self) -> (u16, u16) {
        ((self.frequency - self.reach).max(0.0) as u16, (self.frequency + self.reach) as u16)
    }

    /// Returns true if the latest accepted time is before a peak of the query.
    fn is_before(&self, peak: &Peak) -> bool {
        i64::from(peak.time) * TIME_PARTS > self.time + self.time_reach
    }

    /// Returns true if the earliest accepted time is after a peak of the query.
    fn is_behind(&self, peak: &Peak) -> bool {
        i64::from(peak.time) * TIME_PARTS < self.time - self.time_reach
    }

    /// Returns the distance of a query's peak from the expected place: the sum of the deviations in time and frequency,
    /// each as a fraction of its tolerance, so at most 2. Infinite if a deviation exceeds its tolerance.
    #[inline]
    pub(crate) fn distance(&self, peak: &Peak) -> f32 {
        let time_error = (i64::from(peak.time) * TIME_PARTS - self.time).abs();
        let frequency_error = (f32::from(peak.frequency) - self.frequency).abs();
        // Compared before dividing, so that all callers treat a deviation equal to the tolerance in the same way.
        if time_error > self.time_reach || frequency_error > self.reach {
            return f32::INFINITY;
        }
        frequency_error / self.reach + time_error as f32 / self.time_reach as f32
    }
}

/// Returns the indices of the track's peaks that are expected between two times of the query (ticks).
pub(crate) fn within(reference: &[Peak], line: &Line, (from, to): (f64, f64)) -> Range<usize> {
    let first = reference.partition_point(|p| f64::from(p.time) < line.reference(from));
    let end = reference.partition_point(|p| f64::from(p.time) < line.reference(to));
    first..end.max(first)
}

/// Looks up the track's peaks that are expected between two times of the query (ticks) in `peaks`, the peaks of the
/// query. Replaces `out` by one outcome per peak of the track, in order.
pub(crate) fn compare(
    reference: &[Peak],
    peaks: &[Peak],
    line: &Line,
    span: (f64, f64),
    tolerance: Tolerance,
    out: &mut Vec<PeakOutcome>,
) {
    let low = peaks.partition_point(|p| f64::from(p.time) < span.0 - tolerance.time);
    look_up(reference, within(reference, line, span), (peaks, low), line, tolerance, out);
}

/// Like [`compare`], for the track's peaks with the indices in `range`.
pub(crate) fn compare_range(
    reference: &[Peak],
    range: Range<usize>,
    peaks: &[Peak],
    line: &Line,
    tolerance: Tolerance,
    out: &mut Vec<PeakOutcome>,
) {
    let from = reference.get(range.start).map_or(0.0, |p| line.query(f64::from(p.time)));
    // One tick more than the tolerance, because times are rounded to parts of a tick.
    let low = peaks.partition_point(|p| f64::from(p.time) < from - tolerance.time - 1.0);
    look_up(reference, range, (peaks, low), line, tolerance, out);
}

/// Looks up the track's peaks with the indices in `range` in the query's peaks from index `low` on. Replaces `out` by
/// one outcome per peak of the track, in order.
fn look_up(
    reference: &[Peak],
    range: Range<usize>,
    (peaks, mut low): (&[Peak], usize),
    line: &Line,
    tolerance: Tolerance,
    out: &mut Vec<PeakOutcome>,
) {
    out.clear();
    let first = range.start;
    for (index, peak) in reference[range].iter().enumerate() {
        let place = ExpectedPlace::new(peak, line, tolerance);
        let (lowest, highest) = place.frequencies();
        // Expected times ascend with the track's peaks, so `low` never has to go back.
        while peaks.get(low).is_some_and(|found| place.is_behind(found)) {
            low += 1;
        }
        let mut best = None;
        let mut nearest = f32::INFINITY;
        let near_in_time = peaks[low..].iter().enumerate().take_while(|(_, found)| !place.is_before(found));
        for (i, found) in near_in_time {
            if !(lowest..=highest).contains(&found.frequency) {
                continue;
            }
            let distance = place.distance(found);
            if distance < nearest {
                nearest = distance;
                best = Some((low + i) as u32);
            }
        }
        out.push(PeakOutcome { reference: (first + index) as u32, query: best });
    }
}

/// Minimum number of found peaks for fitting a line. At half this value, two or three chance hits can turn the line; at
/// twice this value, lines that are off in speed, and so find few peaks at first, are never fitted.
const MIN_PEAKS_TO_FIT: usize = 5;

/// Fits a line to the found peaks by least squares. Returns `line` if fewer than [`MIN_PEAKS_TO_FIT`] peaks were found.
pub(crate) fn fit(reference: &[Peak], peaks: &[Peak], outcomes: &[PeakOutcome], line: &Line) -> Line {
    let found = || {
        outcomes.iter().filter_map(|o| Some((&reference[o.reference as usize], &peaks[o.query? as usize])))
    };
    let n = found().count();
    if n < MIN_PEAKS_TO_FIT {
        return *line;
    }
    let mean = |f: &dyn Fn(&Peak, &Peak) -> f64| found().map(|(r, q)| f(r, q)).sum::<f64>() / n as f64;
    let query = mean(&|_, q| f64::from(q.time));
    let time_error = mean(&|r, q| f64::from(r.time) - line.reference(f64::from(q.time)));
    let spread = mean(&|_, q| (f64::from(q.time) - query).powi(2));
    let covariance = mean(&|r, q| {
        (f64::from(q.time) - query) * (f64::from(r.time) - line.reference(f64::from(q.time)) - time_error)
    });
    // Ridge regularization: few peaks, or peaks close in time, cannot change the speed much, because their times are
    // only exact to about a tick.
    let speed_change = covariance / (spread + RIDGE / n as f64);
    // Without an offset: pitch is a factor on frequency, so the line must go through 0 Hz.
    let squares = mean(&|r, _| f64::from(r.frequency).powi(2));
    let products = mean(&|r, q| f64::from(r.frequency) * f64::from(q.frequency));
    let speed = line.speed + speed_change;
    let offset = line.offset + time_error - speed_change * query;
    Line { offset, speed, pitch: products / squares.max(1.0) }
}

/// Strength of the ridge regularization, in squared ticks. It is the variance of a peak's time error (a few ticks),
/// divided by the prior variance of the speed error (a few tenths of a per cent). At half this value, chance hits
/// change the speed of short stretches; at twice this value, a wrong speed needs another round of fitting.
const RIDGE: f64 = 2.0e5;

//! Alignments: where and how fast a track runs beside the query.

use std::ops::Range;

use crate::fingerprint::Peak;

/// Scales nearer to the plain one than this are plain.
const CHANGED: f64 = 0.01;

/// A straight line between the times of a query and of a track, with the ratio of their frequencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    /// Time in the track at the query's start, ticks; may be negative.
    pub(crate) offset: f64,
    /// Ticks of the track per tick of the query.
    pub(crate) speed: f64,
    /// Frequency in the query over that in the track.
    pub(crate) pitch: f64,
}

impl Line {
    /// The line of a track with itself.
    pub(crate) const SAME: Self = Self { offset: 0.0, speed: 1.0, pitch: 1.0 };

    /// Time in the track at a time in the query.
    pub(crate) fn reference(&self, query: f64) -> f64 {
        self.offset + self.speed * query
    }

    /// Time in the query at a time in the track.
    pub(crate) fn query(&self, reference: f64) -> f64 {
        (reference - self.offset) / self.speed
    }

    /// Whether the speed or the pitch is another than the track's.
    pub(crate) fn is_changed(&self) -> bool {
        (self.speed - 1.0).abs().max((self.pitch - 1.0).abs()) > CHANGED
    }

    /// Where a track's peak is expected in the query: time (ticks) and frequency (steps).
    pub(crate) fn place(&self, reference: &Peak) -> (f64, f64) {
        (self.query(f64::from(reference.time)), f64::from(reference.frequency) * self.pitch)
    }

    /// A peak of the query in the place of a track's peak.
    pub(crate) fn sighting(&self, reference: &Peak, query: &Peak) -> Sighting {
        let late = f64::from(query.time) - self.query(f64::from(reference.time));
        let aside = f64::from(query.frequency) - f64::from(reference.frequency) * self.pitch;
        Sighting { late: late as f32, aside: aside as f32, rank: query.rank }
    }
}

/// A peak that was found: how far from its place (ticks, steps), and its rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sighting {
    pub(crate) late: f32,
    pub(crate) aside: f32,
    pub(crate) rank: u8,
}

/// How far from its place a peak may be found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tolerance {
    /// Ticks.
    pub(crate) time: f64,
    /// Steps …
    pub(crate) frequency: f64,
    /// … and a part of the frequency.
    pub(crate) relative: f64,
}

/// What became of one peak of the track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outcome {
    /// Index of the track's peak.
    pub(crate) reference: u32,
    /// Index of the query's peak that stands in its place.
    pub(crate) query: Option<u32>,
}

/// Parts of a tick that times are compared in, as integers: exact for any length of query.
const PARTS: i64 = 8;

/// Where a peak of the track is expected, and how far from there it may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    /// Parts of ticks.
    time: i64,
    early: i64,
    /// Steps.
    frequency: f32,
    reach: f32,
}

impl Expected {
    #[inline]
    pub(crate) fn new(peak: &Peak, line: &Line, tolerance: Tolerance) -> Self {
        let frequency = (f64::from(peak.frequency) * line.pitch) as f32;
        Self {
            time: (line.query(f64::from(peak.time)) * PARTS as f64) as i64,
            early: (tolerance.time * PARTS as f64) as i64,
            frequency,
            reach: tolerance.frequency as f32 + tolerance.relative as f32 * frequency,
        }
    }

    /// First and last tick that may be near enough.
    #[inline]
    pub(crate) fn times(&self) -> (i64, i64) {
        ((self.time - self.early).div_euclid(PARTS), (self.time + self.early).div_euclid(PARTS))
    }

    /// Lowest and highest step that may be.
    #[inline]
    pub(crate) fn frequencies(&self) -> (u16, u16) {
        ((self.frequency - self.reach).max(0.0) as u16, (self.frequency + self.reach) as u16)
    }

    fn is_before(&self, peak: &Peak) -> bool {
        i64::from(peak.time) * PARTS > self.time + self.early
    }

    fn is_behind(&self, peak: &Peak) -> bool {
        i64::from(peak.time) * PARTS < self.time - self.early
    }

    /// How far a peak is from there, 2 at most; infinitely far if that is too far.
    #[inline]
    pub(crate) fn distance(&self, peak: &Peak) -> f32 {
        let late = (i64::from(peak.time) * PARTS - self.time).abs();
        let aside = (f32::from(peak.frequency) - self.frequency).abs();
        if late > self.early || aside > self.reach {
            return f32::INFINITY;
        }
        aside / self.reach + late as f32 / self.early as f32
    }
}

/// Indices of the track's peaks between two times of the query (ticks).
pub(crate) fn within(reference: &[Peak], line: &Line, (from, to): (f64, f64)) -> Range<usize> {
    let first = reference.partition_point(|p| f64::from(p.time) < line.reference(from));
    let end = reference.partition_point(|p| f64::from(p.time) < line.reference(to));
    first..end.max(first)
}

/// Looks for the track's peaks between two times of the query (ticks), in order; `peaks` are the query's.
pub(crate) fn compare(
    reference: &[Peak],
    peaks: &[Peak],
    line: &Line,
    span: (f64, f64),
    tolerance: Tolerance,
    out: &mut Vec<Outcome>,
) {
    let low = peaks.partition_point(|p| f64::from(p.time) < span.0 - tolerance.time);
    look_up(reference, within(reference, line, span), (peaks, low), line, tolerance, out);
}

/// The same for the track's peaks of these indices, which are its own.
pub(crate) fn compare_range(
    reference: &[Peak],
    range: Range<usize>,
    peaks: &[Peak],
    line: &Line,
    tolerance: Tolerance,
    out: &mut Vec<Outcome>,
) {
    let from = reference.get(range.start).map_or(0.0, |p| line.query(f64::from(p.time)));
    // A tick more, because times are compared in parts of one.
    let low = peaks.partition_point(|p| f64::from(p.time) < from - tolerance.time - 1.0);
    look_up(reference, range, (peaks, low), line, tolerance, out);
}

/// Looks for the track's peaks of these indices among the query's from `low` on.
fn look_up(
    reference: &[Peak],
    range: Range<usize>,
    (peaks, mut low): (&[Peak], usize),
    line: &Line,
    tolerance: Tolerance,
    out: &mut Vec<Outcome>,
) {
    out.clear();
    let first = range.start;
    for (index, peak) in reference[range].iter().enumerate() {
        let place = Expected::new(peak, line, tolerance);
        let (lowest, highest) = place.frequencies();
        while peaks.get(low).is_some_and(|found| place.is_behind(found)) {
            low += 1;
        }
        let mut best = None;
        let mut nearest = f32::INFINITY;
        let moment = peaks[low..].iter().enumerate().take_while(|(_, found)| !place.is_before(found));
        for (i, found) in moment {
            if !(lowest..=highest).contains(&found.frequency) {
                continue;
            }
            let distance = place.distance(found);
            if distance < nearest {
                nearest = distance;
                best = Some((low + i) as u32);
            }
        }
        out.push(Outcome { reference: (first + index) as u32, query: best });
    }
}

/// Fewest peaks that a line is fitted to.
const FEWEST_TO_FIT: usize = 5;

/// Least-squares line through the found peaks; `line` where there are too few or they are too close.
pub(crate) fn fit(reference: &[Peak], peaks: &[Peak], outcomes: &[Outcome], line: &Line) -> Line {
    let found = || {
        outcomes.iter().filter_map(|o| Some((&reference[o.reference as usize], &peaks[o.query? as usize])))
    };
    let n = found().count();
    if n < FEWEST_TO_FIT {
        return *line;
    }
    let mean = |f: &dyn Fn(&Peak, &Peak) -> f64| found().map(|(r, q)| f(r, q)).sum::<f64>() / n as f64;
    let query = mean(&|_, q| f64::from(q.time));
    let late = mean(&|r, q| f64::from(r.time) - line.reference(f64::from(q.time)));
    let spread = mean(&|_, q| (f64::from(q.time) - query).powi(2));
    let together = mean(&|r, q| {
        (f64::from(q.time) - query) * (f64::from(r.time) - line.reference(f64::from(q.time)) - late)
    });
    // A ridge keeps few or close peaks from turning the line: their times are known to about a tick.
    let turn = together / (spread + RIDGE / n as f64);
    let squares = mean(&|r, _| f64::from(r.frequency).powi(2));
    let products = mean(&|r, q| f64::from(r.frequency) * f64::from(q.frequency));
    let speed = line.speed + turn;
    let offset = line.offset + late - turn * query;
    Line { offset, speed, pitch: products / squares.max(1.0) }
}

/// Squared ticks: a peak's time error of a few ticks against a prior of a few tenths of a per cent.
const RIDGE: f64 = 2.0e5;

//! Scores of the detection of a programme.

use std::fmt::{self, Display};

use crate::broadcast::PlayedAiring;

/// Minimum overlap, in seconds, with which a detection belongs to an airing of the same song.
const MIN_OVERLAP_SECONDS: f64 = 1.0;
/// Maximum error, in seconds, of a start or end that counts as precise: of clean music, and of music under speech.
const MAX_EDGE_ERROR_SECONDS: [f64; 2] = [0.5, 1.5];

/// A reported airing. Times are in seconds since the programme's start.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportedAiring {
    /// Number of the song; `None` if it is not an indexed song.
    pub song: Option<usize>,
    /// Time at which the start of the airing was reported.
    pub reported_at: f64,
    /// Start of the airing, and its last reported end.
    pub span: (f64, f64),
    /// True if the end of the airing was reported.
    pub ended: bool,
}

/// A collection of numbers, kept in ascending order, with its quantiles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Numbers(Vec<f64>);

impl Numbers {
    /// Adds a number.
    pub fn push(&mut self, number: f64) {
        let at = self.0.partition_point(|other| *other <= number);
        self.0.insert(at, number);
    }

    /// Adds all numbers of `other`.
    pub fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|number| self.push(*number));
    }

    /// Returns the smallest number `x` such that at least the share `part` (0 to 1) of the numbers is at most `x`; 0 if
    /// there are no numbers.
    #[must_use]
    pub fn quantile(&self, part: f64) -> f64 {
        let at = (part * self.0.len() as f64).ceil() as usize;
        self.0.get(at.max(1) - 1).or(self.0.last()).copied().unwrap_or_default()
    }

    /// Returns the share of numbers that are at most `max`.
    #[must_use]
    pub fn part_within(&self, max: f64) -> f64 {
        self.0.partition_point(|number| *number <= max) as f64 / self.0.len().max(1) as f64
    }

    /// Returns how many numbers were added.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, p95, max] = [0.5, 0.95, 1.0].map(|part| self.quantile(part));
        write!(f, "median {median:.2}, 95 % {p95:.2}, most {max:.2} (of {})", self.count())
    }
}

/// Detection results of programmes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DetectionScore {
    /// Number of airings that were played.
    pub airings: usize,
    /// Number of airings that were reported at least once.
    pub found: usize,
    /// Number of additional reports of an airing that was already reported.
    pub doubled: usize,
    /// Number of reports of a song that was not played at that time.
    pub wrong: usize,
    /// Number of reports without an end.
    pub endless: usize,
    /// Delays in seconds from the first audible moment of an airing to its report: of clean music, and under speech.
    pub delays: [Numbers; 2],
    /// Errors of starts in seconds: of clean music, and under speech.
    pub starts: [Numbers; 2],
    /// Errors of ends in seconds: of clean music, and under speech.
    pub ends: [Numbers; 2],
    /// Missed, doubled, wrong and imprecise airings, one line each.
    pub remarks: Vec<String>,
}

impl DetectionScore {
    /// Compares the reported airings with the played ones. `names` returns the name of a song by its number.
    #[must_use]
    pub fn of(
        airings: &[PlayedAiring],
        reported: &[ReportedAiring],
        names: &dyn Fn(usize) -> String,
    ) -> Self {
        let mut this = Self { airings: airings.len(), ..Self::default() };
        let mut used = vec![false; reported.len()];
        for airing in airings {
            let belongs = |one: &ReportedAiring| {
                one.song == Some(airing.song) && overlap(airing, one) >= MIN_OVERLAP_SECONDS
            };
            let mut belonging: Vec<usize> =
                (0..reported.len()).filter(|i| !used[*i] && belongs(&reported[*i])).collect();
            belonging.sort_by(|a, b| reported[*a].reported_at.total_cmp(&reported[*b].reported_at));
            belonging.iter().for_each(|i| used[*i] = true);
            let Some(first) = belonging.first().map(|i| &reported[*i]) else {
                this.remark("missed", airing, &names(airing.song), "");
                continue;
            };
            this.found += 1;
            this.doubled += belonging.len() - 1;
            for i in belonging.iter().skip(1) {
                let (from, to) = reported[*i].span;
                let span = format!("{from:.1} to {to:.1}");
                this.remark("doubled", airing, &names(airing.song), &span);
            }
            this.measure(airing, first, &belonging.iter().map(|i| &reported[*i]).collect::<Vec<_>>(), names);
        }
        for one in reported.iter().zip(&used).filter(|(_, used)| !**used).map(|(one, _)| one) {
            this.wrong += 1;
            let name = one.song.map_or_else(|| "an unknown song".to_owned(), names);
            let (from, to) = one.span;
            this.remarks
                .push(format!("wrong: {name} {from:.1} to {to:.1}, reported at {:.1}", one.reported_at));
        }
        this
    }

    fn measure(
        &mut self,
        airing: &PlayedAiring,
        first: &ReportedAiring,
        all: &[&ReportedAiring],
        names: &dyn Fn(usize) -> String,
    ) {
        let kind = usize::from(airing.under_speech);
        self.delays[kind].push(first.reported_at - airing.ready);
        self.endless += all.iter().filter(|one| !one.ended).count();
        if all.iter().any(|one| !one.ended) {
            return self.remark("without an end", airing, &names(airing.song), "");
        }
        let from = all.iter().map(|one| one.span.0).fold(f64::INFINITY, f64::min);
        let to = all.iter().map(|one| one.span.1).fold(0.0, f64::max);
        let outside = |at: f64, low: f64, high: f64| (low - at).max(0.0) + (at - high).max(0.0);
        let start = outside(from, airing.start, airing.start + airing.quiet.0);
        let end = outside(to, airing.end - airing.quiet.1, airing.end);
        self.starts[kind].push(start);
        self.ends[kind].push(end);
        if start.max(end) > MAX_EDGE_ERROR_SECONDS[kind] {
            let edges = format!("start {:+.2}, end {:+.2}", from - airing.start, to - airing.end);
            self.remark("edges", airing, &names(airing.song), &edges);
        }
    }

    fn remark(&mut self, what: &str, airing: &PlayedAiring, name: &str, more: &str) {
        let (start, end) = (airing.start, airing.end);
        let speech = if airing.under_speech { ", under speech" } else { "" };
        self.remarks.push(format!("{what}: {name} {start:.1} to {end:.1}{speech} {more}"));
    }

    /// Adds the results of another programme.
    pub fn add(&mut self, other: &Self) {
        self.airings += other.airings;
        self.found += other.found;
        self.doubled += other.doubled;
        self.wrong += other.wrong;
        self.endless += other.endless;
        for kind in 0..2 {
            self.delays[kind].extend(&other.delays[kind]);
            self.starts[kind].extend(&other.starts[kind]);
            self.ends[kind].extend(&other.ends[kind]);
        }
        self.remarks.extend(other.remarks.iter().cloned());
    }
}

impl Display for DetectionScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { airings, found, doubled, wrong, endless, .. } = self;
        let missed = airings - found;
        writeln!(
            f,
            "airings {airings}: found {found}, missed {missed}, doubled {doubled}, wrong {wrong}, without end {endless}"
        )?;
        for (kind, name) in ["clean music", "under speech"].iter().enumerate() {
            if self.delays[kind].count() == 0 {
                continue;
            }
            writeln!(f, "{name}, seconds")?;
            writeln!(f, "  start reported after {}", self.delays[kind])?;
            for (what, numbers) in [("start", &self.starts[kind]), ("end  ", &self.ends[kind])] {
                let (good, within) =
                    (MAX_EDGE_ERROR_SECONDS[kind], 100.0 * numbers.part_within(MAX_EDGE_ERROR_SECONDS[kind]));
                writeln!(f, "  error of {what}       {numbers}; within {good}: {within:.0} %")?;
            }
        }
        self.remarks.iter().try_for_each(|remark| writeln!(f, "  {remark}"))
    }
}

/// Returns the overlap of `airing` and `reported` in seconds; negative if there is a gap between them.
fn overlap(airing: &PlayedAiring, reported: &ReportedAiring) -> f64 {
    reported.span.1.min(airing.end) - reported.span.0.max(airing.start)
}

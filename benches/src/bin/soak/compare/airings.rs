//! Comparison of the reported airings of one stream with the programme.

/// Minimum length of available audio that must be found, in seconds.
const MIN_SECONDS: f64 = 10.0;
/// Maximum error of a start or end in seconds.
const EDGE_SECONDS: f64 = 1.0;
/// Minimum overlap of a reported airing with an excerpt, in seconds.
const MIN_OVERLAP_SECONDS: f64 = 1.0;
/// Maximum error of the clock of a stream without dates, in seconds: the clock follows the arrival of the media, and
/// lost audio is not known.
const UNDATED_SECONDS: f64 = 90.0;

/// An excerpt of a song that was played. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Excerpt {
    pub(crate) song: usize,
    pub(crate) start: f64,
    pub(crate) end: f64,
    /// Position in the song at the start of the excerpt, in seconds.
    pub(crate) offset: f64,
    /// Lengths of the silent parts at the start and the end.
    pub(crate) quiet: (f64, f64),
}

/// A reported airing. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reported {
    pub(crate) song: usize,
    pub(crate) start: f64,
    pub(crate) end: f64,
    /// Positions in the song at the start and the end, in seconds.
    pub(crate) offsets: (f64, f64),
}

/// The truth about one stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamTruth {
    pub(crate) is_dated: bool,
    pub(crate) excerpts: Vec<Excerpt>,
    /// Periods without audio, disjoint and in order.
    pub(crate) missing: Vec<(f64, f64)>,
    /// Period in which excerpts are compared. Excerpts that are only partly in it can be reported.
    pub(crate) judged: (f64, f64),
}

/// Kind of a deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeviationKind {
    /// The song was not played.
    False,
    /// An excerpt, or a part of it, was not reported.
    Missed,
    /// An excerpt was reported more often than it has parts.
    Doubled,
    /// The start is wrong.
    Start,
    /// The end is wrong.
    End,
}

/// A difference between the reported and the played airings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Deviation {
    pub(crate) kind: DeviationKind,
    pub(crate) at: f64,
    pub(crate) expected: String,
    pub(crate) found: String,
}

/// Result of a comparison.
#[derive(Debug, Clone, Default)]
pub(crate) struct AiringScore {
    /// Number of compared excerpts.
    pub(crate) excerpts: usize,
    /// Number of reported airings.
    pub(crate) reported: usize,
    pub(crate) deviations: Vec<Deviation>,
}

/// Returns the parts of a period that are in none of the periods of `missing`.
pub(crate) fn available(period: (f64, f64), missing: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (mut at, end) = period;
    let mut parts = Vec::new();
    for &(from, to) in missing.iter().filter(|(from, to)| *to > period.0 && *from < end) {
        if from > at {
            parts.push((at, from));
        }
        at = at.max(to);
    }
    if end > at {
        parts.push((at, end));
    }
    parts
}

/// Compares the reported airings of a stream with the played ones.
pub(crate) fn compare(truth: &StreamTruth, reported: &[Reported]) -> AiringScore {
    let mut score = AiringScore { reported: reported.len(), ..AiringScore::default() };
    let mut owners: Vec<Vec<(f64, f64)>> = vec![Vec::new(); truth.excerpts.len()];
    for one in reported {
        match owner(truth, one) {
            Some((excerpt, span)) => owners[excerpt].push(span),
            None => score.deviations.push(Deviation {
                kind: DeviationKind::False,
                at: one.start,
                expected: "another song or no song".to_owned(),
                found: format!(
                    "song {} for {:.1} s, from {:.1} s of the song on",
                    one.song,
                    one.end - one.start,
                    one.offsets.0
                ),
            }),
        }
    }
    for (excerpt, spans) in truth.excerpts.iter().zip(owners) {
        if excerpt.start >= truth.judged.0 && excerpt.end <= truth.judged.1 {
            judge(truth, excerpt, &spans, &mut score);
        }
    }
    score
}

/// Returns the index of the excerpt to which a reported airing belongs, and the span of the airing in true time.
fn owner(truth: &StreamTruth, reported: &Reported) -> Option<(usize, (f64, f64))> {
    let spans = truth.excerpts.iter().enumerate().filter(|(_, excerpt)| excerpt.song == reported.song);
    let spans = spans.filter_map(|(index, excerpt)| {
        let span = true_span(truth, excerpt, reported);
        let overlap = span.1.min(excerpt.end) - span.0.max(excerpt.start);
        let error = (span.0 - reported.start).abs();
        (overlap >= MIN_OVERLAP_SECONDS && error <= UNDATED_SECONDS).then_some((index, span, error))
    });
    let best = spans.min_by(|a, b| a.2.total_cmp(&b.2))?;
    Some((best.0, best.1))
}

/// Returns start and end of a reported airing, seconds since 1970. The clock of a stream without dates is imprecise, so
/// the times follow from the positions in the song.
fn true_span(truth: &StreamTruth, excerpt: &Excerpt, reported: &Reported) -> (f64, f64) {
    if truth.is_dated {
        return (reported.start, reported.end);
    }
    let time = |offset: f64| excerpt.start + offset - excerpt.offset;
    (time(reported.offsets.0), time(reported.offsets.1))
}

/// Compares the reports of an excerpt with the available audio of the excerpt.
fn judge(truth: &StreamTruth, excerpt: &Excerpt, spans: &[(f64, f64)], score: &mut AiringScore) {
    let parts = available((excerpt.start, excerpt.end), &truth.missing);
    let is_long = |part: &&(f64, f64)| part.1 - part.0 >= MIN_SECONDS;
    let long: Vec<(f64, f64)> = parts.iter().filter(is_long).copied().collect();
    let (Some(first), Some(last)) = (long.first(), long.last()) else { return };
    score.excerpts += 1;
    let mut add = |kind, at, expected: String, found: String| {
        score.deviations.push(Deviation { kind, at, expected, found });
    };
    let name = format!("song {} for {:.1} s", excerpt.song, excerpt.end - excerpt.start);
    let overlaps =
        |part: &(f64, f64), span: &(f64, f64)| span.1.min(part.1) - span.0.max(part.0) >= MIN_OVERLAP_SECONDS;
    let mut is_missed = false;
    for part in &long {
        if !spans.iter().any(|span| overlaps(part, span)) {
            is_missed = true;
            let part = format!("{name}, its part of {:.1} s", part.1 - part.0);
            add(DeviationKind::Missed, excerpt.start, part, "no event".to_owned());
        }
    }
    if spans.len() > parts.len() {
        let expected = format!("{name}, at most {} airings", parts.len());
        add(DeviationKind::Doubled, excerpt.start, expected, format!("{} airings", spans.len()));
    }
    if is_missed {
        return;
    }
    let start = spans.iter().map(|span| span.0).fold(f64::INFINITY, f64::min);
    let end = spans.iter().map(|span| span.1).fold(f64::NEG_INFINITY, f64::max);
    let starts = (excerpt.start - EDGE_SECONDS, first.0.max(excerpt.start + excerpt.quiet.0) + EDGE_SECONDS);
    let ends = (last.1.min(excerpt.end - excerpt.quiet.1) - EDGE_SECONDS, excerpt.end + EDGE_SECONDS);
    for (kind, what, value, (low, high), origin) in [
        (DeviationKind::Start, "start", start, starts, excerpt.start),
        (DeviationKind::End, "end", end, ends, excerpt.end),
    ] {
        if !(low..=high).contains(&value) {
            let expected = format!("{name}, {what} at {:+.1} to {:+.1} s", low - origin, high - origin);
            add(kind, excerpt.start, expected, format!("{:+.1} s", value - origin));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(missing: &[(f64, f64)]) -> StreamTruth {
        let excerpt = |song, start: f64, end| Excerpt { song, start, end, offset: 5.0, quiet: (0.0, 0.0) };
        StreamTruth {
            is_dated: true,
            excerpts: vec![excerpt(0, 100.0, 140.0), excerpt(1, 142.0, 180.0)],
            missing: missing.to_vec(),
            judged: (100.0, 141.0),
        }
    }

    fn report(song: usize, start: f64, end: f64) -> Reported {
        Reported { song, start, end, offsets: (start - 95.0, end - 95.0) }
    }

    fn kinds(truth: &StreamTruth, reported: &[Reported]) -> Vec<DeviationKind> {
        compare(truth, reported).deviations.into_iter().map(|deviation| deviation.kind).collect()
    }

    #[test]
    fn available_parts_exclude_missing_audio() {
        assert_eq!(available((0.0, 10.0), &[]), [(0.0, 10.0)]);
        assert_eq!(available((0.0, 10.0), &[(-5.0, 2.0), (4.0, 6.0), (9.0, 20.0)]), [(2.0, 4.0), (6.0, 9.0)]);
        assert!(available((0.0, 10.0), &[(-1.0, 11.0)]).is_empty());
    }

    #[test]
    fn exact_reports_have_no_deviation() {
        assert!(kinds(&truth(&[]), &[report(0, 100.4, 139.2), report(1, 142.0, 150.0)]).is_empty());
    }

    #[test]
    fn wrong_edges_and_repeated_reports_are_deviations() {
        assert_eq!(kinds(&truth(&[]), &[]), [DeviationKind::Missed]);
        assert_eq!(kinds(&truth(&[]), &[report(0, 102.0, 140.0)]), [DeviationKind::Start]);
        assert_eq!(kinds(&truth(&[]), &[report(0, 100.0, 141.5)]), [DeviationKind::End]);
        let twice = [report(0, 100.0, 120.0), report(0, 120.0, 140.0)];
        assert_eq!(kinds(&truth(&[]), &twice), [DeviationKind::Doubled]);
    }

    #[test]
    fn songs_that_were_not_played_are_false() {
        let reported = [report(0, 100.0, 140.0), report(7, 120.0, 130.0)];
        assert_eq!(kinds(&truth(&[]), &reported), [DeviationKind::False]);
    }

    #[test]
    fn missing_audio_permits_a_late_start_and_two_airings() {
        assert!(kinds(&truth(&[(98.0, 110.0)]), &[report(0, 110.5, 140.0)]).is_empty());
        let split = [report(0, 100.0, 112.0), report(0, 124.0, 140.0)];
        assert!(kinds(&truth(&[(112.0, 124.0)]), &split).is_empty());
        assert!(kinds(&truth(&[(112.0, 124.0)]), &[report(0, 100.0, 140.0)]).is_empty());
        assert_eq!(kinds(&truth(&[(112.0, 124.0)]), &[report(0, 100.0, 112.0)]), [DeviationKind::Missed]);
    }

    #[test]
    fn streams_without_dates_are_compared_by_the_position_in_the_song() {
        let undated = StreamTruth { is_dated: false, ..truth(&[]) };
        let shifted = Reported { start: 117.0, end: 157.0, ..report(0, 100.0, 140.0) };
        assert!(kinds(&undated, &[shifted]).is_empty());
    }
}

//! Alternatives: other tracks that explain the audio of a match, and rejected candidates.

use std::collections::HashSet;

use super::copies::Recordings;
use super::play::AiringVersions;
use super::query::{Query, Window};
use super::trace::Trace;
use super::verify::Alignment;
use super::window::WindowMatches;
use super::{Alternative, Match, Rejected};

/// Maximum number of rejected candidates in a report. They explain why a query has no match. The value changes only the
/// length of the report.
const MAX_REJECTED: usize = 5;
/// Maximum number of other recordings that are reported as alternatives of one match. The value changes only the length
/// of the report.
const MAX_PER_MATCH: usize = 5;
/// Maximum number of alignments of a query that are followed to find alternatives. It bounds the time for a long mix.
/// At half this value, the weakest alternatives of a long mix are not reported; at twice this value, reports of long
/// mixes take longer.
const MAX_FOLLOWED: usize = 200;
/// Minimum fraction of an alternative's stretch that the match must cover. At half this value, a neighboring song that
/// overlaps a fade is reported as an alternative; near 1, an alternative that extends a little beyond the match is not
/// reported.
const MIN_COVERED_FRACTION: f64 = 0.5;

/// All results of the windows, from which alternatives and rejected candidates are selected.
pub(crate) struct WindowResults<'a> {
    pub(crate) windows: &'a [Window<'a>],
    pub(crate) found: &'a [WindowMatches],
    pub(crate) recordings: &'a Recordings,
}

impl WindowResults<'_> {
    /// Returns the alternatives of the airings, in the order of the airings, and the rejected candidates. The
    /// alternatives of an airing are all other tracks that carry the recording, then a few other recordings. For each
    /// recording, only the best rejected candidate is considered. `correction` is the natural logarithm of the number
    /// of hypotheses; `limit` is the highest accepted log-probability of chance.
    pub(crate) fn of(
        &self,
        airings: &[AiringVersions<'_>],
        query: &Query<'_>,
        correction: f64,
        limit: f64,
    ) -> (Vec<Alternative>, Vec<Rejected>) {
        let rest = self.rest(airings);
        let mut alternatives: Vec<Alternative> = Vec::new();
        for (index, airing) in airings.iter().enumerate() {
            let best = airing.versions.iter().map(|version| version.report(correction));
            let of = airing.primary.track();
            alternatives.extend(best.map(|best| Alternative { of, index, best }));
        }
        add_other_recordings(&mut alternatives, &rest, airings, query, (correction, limit));
        alternatives.sort_by_key(|other| other.index);
        let rejected = self.rejected(rest, &alternatives, correction);
        (alternatives, rejected)
    }

    /// Returns the alignments that are not part of an airing, best first, each with its log-probability of chance after
    /// discounting competitors, and its window. Alignments of a recording that has an airing at the same time are
    /// excluded.
    fn rest(&self, airings: &[AiringVersions<'_>]) -> Vec<(&Alignment, f64, &Window<'_>)> {
        let plays = |one: &Alignment, window: &Window<'_>| {
            airings.iter().any(|airing| {
                self.recordings.are_same_recording(airing.primary.track(), one.reference.number)
                    && airing.primary.from() < window.to
                    && window.from < airing.primary.to()
            })
        };
        let mut rest: Vec<_> = (self.found.iter().zip(self.windows))
            .flat_map(|(found, window)| found.all().map(move |(one, log_p)| (one, log_p, window)))
            .filter(|(one, _, window)| !plays(one, window))
            .collect();
        rest.sort_by(|a, b| a.0.log_p().total_cmp(&b.0.log_p()));
        rest
    }

    /// Returns rejected candidates, best first: the best candidate of each recording that is not an alternative, and at
    /// most [`MAX_REJECTED`] in total.
    fn rejected(
        &self,
        mut rest: Vec<(&Alignment, f64, &Window<'_>)>,
        alternatives: &[Alternative],
        correction: f64,
    ) -> Vec<Rejected> {
        let mut tracks: HashSet<_> =
            alternatives.iter().map(|other| self.recordings.of(other.best.track)).collect();
        rest.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.log_p().total_cmp(&b.0.log_p())));
        // The list is sorted first, so that the best candidate of each recording stays.
        rest.retain(|(one, ..)| tracks.insert(self.recordings.of(one.reference.number)));
        rest.truncate(MAX_REJECTED);
        let best = rest.iter().map(|(one, log_p, window)| one.report(*log_p, correction, window));
        best.map(|best| Rejected { best }).collect()
    }
}

/// Adds to `all` the other recordings that would be airings if the catalog did not contain the recordings of `airings`:
/// a remix, or a song with the same sample.
fn add_other_recordings(
    all: &mut Vec<Alternative>,
    rest: &[(&Alignment, f64, &Window<'_>)],
    airings: &[AiringVersions<'_>],
    query: &Query<'_>,
    (correction, limit): (f64, f64),
) {
    let free = vec![false; query.peaks.len()];
    let mut followed: Vec<Trace> = Vec::new();
    for (one, _, window) in rest.iter().filter(|(one, ..)| one.log_p() <= limit).take(MAX_FOLLOWED) {
        if !followed.iter().any(|trace| trace.overlaps_window(one, window)) {
            followed.extend(Trace::follow((one, one.log_p()), window, query, &free));
        }
    }
    // An alternative must pass the same threshold as a match, because it is reported as a possible match.
    followed.retain(|trace| trace.is_airing() && trace.log_p() <= limit);
    let mut counts = vec![0; airings.len()];
    for trace in followed {
        let shared = |other: &AiringVersions<'_>| {
            trace.to.min(other.primary.to()) - trace.from.max(other.primary.from())
        };
        let of = airings.iter().enumerate().max_by(|a, b| shared(a.1).total_cmp(&shared(b.1)));
        let Some((index, of)) =
            of.filter(|of| shared(of.1) >= MIN_COVERED_FRACTION * (trace.to - trace.from))
        else {
            continue;
        };
        let best: Match = trace.report(correction);
        let is_known = all.iter().any(|other| other.index == index && other.best.track == best.track);
        if !is_known && counts[index] < MAX_PER_MATCH {
            counts[index] += 1;
            all.push(Alternative { of: of.primary.track(), index, best });
        }
    }
}

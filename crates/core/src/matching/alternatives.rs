//! What else a query could be: other tracks that explain the same sound, and candidates that failed.

use std::collections::HashSet;

use super::trace::{Query, Trace};
use super::verify::{Verified, Window};
use super::window::Found;
use super::{Alternative, Match, Rejected};

/// Failed candidates that are reported.
const MOST_REJECTED: usize = 5;
/// Alternatives that are reported for one match, and those of a whole query that are looked at.
const MOST_OF_MATCH: usize = 5;
const MOST_FOLLOWED: usize = 200;
/// Part of an alternative's stretch that the match must cover.
const SAME_STRETCH: f64 = 0.5;

/// Sorts what the windows found and no airing took: alternatives of the airings (`traces`, as they are
/// reported), and the best of each track that failed.
pub(crate) fn others(
    windows: &[Window<'_>],
    found: &[Found],
    traces: &[Trace],
    query: &Query<'_>,
    correction: f64,
    limit: f64,
) -> (Vec<Alternative>, Vec<Rejected>) {
    // Another place in a track that is heard at the time says nothing.
    let mut rest: Vec<(&Verified, f64, &Window<'_>)> = found
        .iter()
        .zip(windows)
        .flat_map(|(found, window)| found.all().map(move |(one, log_p)| (one, *log_p, window)))
        .filter(|(one, _, window)| !traces.iter().any(|trace| trace.is_heard(one, window)))
        .collect();
    rest.sort_by(|a, b| a.0.log_p().total_cmp(&b.0.log_p()));
    let alternatives = alternatives(&rest, traces, query, correction, limit);
    let mut tracks: HashSet<_> = alternatives.iter().map(|other| other.best.track).collect();
    rest.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.log_p().total_cmp(&b.0.log_p())));
    rest.retain(|(one, ..)| tracks.insert(one.reference.number));
    rest.truncate(MOST_REJECTED);
    let rejected =
        rest.iter().map(|(one, log_p, window)| Rejected { best: one.report(*log_p, correction, window) });
    (alternatives, rejected.collect())
}

/// What would be an airing if the better ones were not there: a copy, a remix, a song with the same sample.
fn alternatives(
    rest: &[(&Verified, f64, &Window<'_>)],
    traces: &[Trace],
    query: &Query<'_>,
    correction: f64,
    limit: f64,
) -> Vec<Alternative> {
    let free = vec![false; query.peaks.len()];
    let mut followed: Vec<Trace> = Vec::new();
    for (one, _, window) in rest.iter().filter(|(one, ..)| one.log_p() <= limit).take(MOST_FOLLOWED) {
        if !followed.iter().any(|trace| trace.is_heard(one, window)) {
            followed.extend(Trace::follow((one, one.log_p()), window, query, &free));
        }
    }
    followed.retain(|trace| trace.is_airing() && trace.log_p() <= limit);
    let mut all: Vec<Alternative> = Vec::new();
    for trace in followed {
        let shared = |other: &Trace| trace.to.min(other.to) - trace.from.max(other.from);
        let of = traces.iter().max_by(|a, b| shared(a).total_cmp(&shared(b)));
        let Some(of) = of.filter(|of| shared(of) >= SAME_STRETCH * (trace.to - trace.from)) else { continue };
        let of = of.reference.number;
        let best: Match = trace.report(correction);
        let known = all.iter().filter(|other| other.of == of);
        if known.clone().all(|other| other.best.track != best.track) && known.count() < MOST_OF_MATCH {
            all.push(Alternative { of, best });
        }
    }
    all
}

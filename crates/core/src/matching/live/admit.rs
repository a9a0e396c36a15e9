//! Handles a match found by a search: starts an airing or continues one.

use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::TrackNumber;
use crate::matching::line::PeakOutcome;
use crate::matching::primary::{Choice, best};
use crate::matching::query::{Query, Window};
use crate::matching::trace::Trace;
use crate::matching::verify::Alignment;
use crate::matching::window::Explanation;

use super::event::{EventKind, LiveEvent};
use super::stream_airings::{StreamAirings, event};
use super::tracking::TrackedAiring;

/// Minimum fraction of an airing that another place of the same track must explain to replace the current place. A song
/// that repeats itself exactly may be tracked at the wrong repetition until that repetition ends. At half this value, a
/// verse that resembles the current one can replace it; near 1, a wrong repetition is kept if some of its start is
/// masked.
const MIN_EXPLAINED_FRACTION: f64 = 0.7;

impl StreamAirings {
    /// Starts an airing from an explanation of a window, unless its recording is already playing. `limit` is the
    /// logarithm of the accepted probability of chance; `correction` is the logarithm of the number of hypotheses per
    /// hour. Adds the resulting events to `out`.
    pub(super) fn admit(
        &mut self,
        explanation: &Explanation,
        window: &Window<'_>,
        query: &Query<'_>,
        (limit, correction): (f64, f64),
        outcomes: &mut Vec<PeakOutcome>,
        out: &mut Vec<LiveEvent>,
    ) {
        let tracks: Vec<TrackNumber> = explanation.alignments().map(|one| one.reference.number).collect();
        let same = self.open.iter().position(|airing| airing.is_of(&tracks));
        if let Some(i) = same {
            let airing = &mut self.open[i];
            airing.add_tracks(&tracks);
            // The window contains only peaks that no airing explains. So this match is of the same play: it uses peaks
            // of the query that the track of the airing does not contain.
            if airing.is_detected(query.to) {
                return;
            }
            let track = airing.reference.number;
            let own = explanation.alignments().find(|one| one.reference.number == track);
            if let Some(one) = own
                && self.continue_airing(i, (one, explanation.log_p), window, query, outcomes)
            {
                return;
            }
        }
        let used = self.explained(&tracks, query, outcomes);
        let resumed = self.resumed.iter().position(|resumed| tracks.contains(&resumed.airing.detected.track));
        let resumed_track = resumed.map(|i| self.resumed[i].airing.detected.track);
        let Some(trace) = primary(explanation, window, query, &used, (limit, resumed_track)) else { return };
        // The old airing is ended only here, where the new one is certain: without a trace the old one can still
        // continue.
        if let Some(i) = same {
            self.end(i, query, outcomes, out);
        }
        if let Some(i) = resumed {
            let resumed = self.resumed.remove(i);
            if resumed.is_continued_by(&trace) {
                let mut airing = TrackedAiring::continued(resumed.airing, &trace, correction, query.to);
                airing.add_tracks(&tracks);
                self.open.push(airing);
                return;
            }
            out.push(resumed.end(query.to));
        }
        self.last += 1;
        let mut airing = TrackedAiring::new(self.last, &trace, correction, query.to);
        airing.add_tracks(&tracks);
        // The previous airing has already been reported with its end, so the start of the new airing is moved to that
        // end, and not the reverse.
        if let Some(cut) = self.closed.iter().filter_map(|before| before.end.meets(airing.start)).next_back()
        {
            airing.move_start(cut);
        }
        airing.extend_to_track_ends((self.free_before(airing.from), airing.to));
        out.push(event(EventKind::Start, &airing, query.to));
        self.open.push(airing);
    }

    /// Continues the lost airing with the index `i` along an alignment of its track: either at another place that
    /// explains the whole airing, or after lost or repeated audio. Returns true if the alignment belongs to the airing.
    fn continue_airing(
        &mut self,
        i: usize,
        seed: (&Alignment, f64),
        window: &Window<'_>,
        query: &Query<'_>,
        outcomes: &mut Vec<PeakOutcome>,
    ) -> bool {
        if self.open[i].is_along(&seed.0.reference, &seed.0.line, query.to)
            || self.realign(i, seed, window, query, outcomes)
        {
            return true;
        }
        let track = self.open[i].reference.number;
        let used = self.explained(&[track], query, outcomes);
        let trace = Trace::follow(seed, window, query, &used).filter(Trace::is_airing);
        trace.is_some_and(|trace| self.open[i].splice(&trace, query))
    }

    /// Moves the airing with the index `i` to another place of its track if that place explains most of the airing and
    /// also later audio. Returns true if the airing was moved.
    fn realign(
        &mut self,
        i: usize,
        seed: (&Alignment, f64),
        window: &Window<'_>,
        query: &Query<'_>,
        outcomes: &mut Vec<PeakOutcome>,
    ) -> bool {
        // The airing is taken out of the list, so that its own peaks do not count as used.
        let Some(mut airing) = self.take(i) else { return false };
        let used = self.explained(&airing.tracks, query, outcomes);
        let trace = Trace::follow(seed, window, query, &used);
        let detected = airing.last_detected();
        let better = trace.filter(|trace| {
            let shared = trace.to.min(detected) - trace.from.max(airing.from);
            shared >= MIN_EXPLAINED_FRACTION * (detected - airing.from)
                && trace.to > detected + TICKS_PER_SECOND
        });
        if let Some(trace) = &better {
            airing.replace_trace(trace);
        }
        self.open.insert(i, airing);
        better.is_some()
    }
}

/// Selects the track with which an airing starts, among the tracks that a window found for one recording, and returns
/// its trace. The track `resumed`, which the previous matcher reported, comes first, then the best choice. Returns
/// `None` if no trace is significant. `limit` is the logarithm of the accepted probability of chance.
fn primary(
    explanation: &Explanation,
    window: &Window<'_>,
    query: &Query<'_>,
    used: &[bool],
    (limit, resumed): (f64, Option<TrackNumber>),
) -> Option<Trace> {
    let follow = |one: &Alignment| Trace::follow((one, explanation.log_p), window, query, used);
    let mut traces: Vec<Trace> = explanation.alignments().filter_map(follow).collect();
    traces.retain(|trace| trace.is_airing() && trace.log_p() <= limit);
    // The track that the previous matcher reported comes first, so that a take-over does not change the song.
    if let Some(i) = traces.iter().position(|trace| Some(trace.reference.number) == resumed) {
        return Some(traces.swap_remove(i));
    }
    let choices: Vec<Choice> =
        traces.iter().filter_map(|trace| Choice::of(&std::iter::once(trace))).collect();
    best(&choices).map(|i| traces.swap_remove(i))
}

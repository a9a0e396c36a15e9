//! Handles a match found by a search: starts an airing or continues one.

use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::TrackNumber;
use crate::matching::line::Outcome;
use crate::matching::primary::{Choice, best};
use crate::matching::trace::{Query, Trace};
use crate::matching::verify::{Verified, Window};
use crate::matching::window::Explanation;

use super::chains::{Chains, event};
use super::event::{LiveEvent, LiveEventKind};
use super::locked::Locked;

/// Minimum fraction of an airing that another place of the same track must explain to replace the current place. A song that
/// repeats itself exactly may be tracked at the wrong repetition until that repetition ends.
const EXPLAINS: f64 = 0.7;

impl Chains {
    /// Starts an airing from an explanation of a window, unless its recording is already playing. `limit` is the logarithm of
    /// the accepted probability of chance; `correction` is that of the number of hypotheses per hour.
    pub(super) fn admit(
        &mut self,
        explanation: &Explanation,
        window: &Window<'_>,
        query: &Query<'_>,
        (limit, correction): (f64, f64),
        outcomes: &mut Vec<Outcome>,
        out: &mut Vec<LiveEvent>,
    ) {
        let tracks: Vec<TrackNumber> = explanation.alignments().map(|one| one.reference.number).collect();
        let same = self.open.iter().position(|airing| airing.is_of(&tracks));
        if let Some(i) = same {
            let airing = &mut self.open[i];
            airing.add_tracks(&tracks);
            if airing.is_heard(query.to) {
                return;
            }
            let track = airing.reference.number;
            let own = explanation.alignments().find(|one| one.reference.number == track);
            if let Some(one) = own
                && self.go_on(i, (one, explanation.log_p), window, query, outcomes)
            {
                return;
            }
        }
        let used = self.explained(&tracks, query, outcomes);
        let sought = self.sought.iter().position(|sought| tracks.contains(&sought.airing.heard.track));
        let sought_track = sought.map(|i| self.sought[i].airing.heard.track);
        let Some(trace) = primary(explanation, window, query, &used, (limit, sought_track)) else { return };
        if let Some(i) = same {
            self.end(i, query, outcomes, out);
        }
        if let Some(i) = sought {
            let sought = self.sought.remove(i);
            if sought.is(&trace) {
                let mut airing = Locked::continued(sought.airing, &trace, correction, query.to);
                airing.add_tracks(&tracks);
                self.open.push(airing);
                return;
            }
            out.push(sought.end(query.to));
        }
        self.last += 1;
        let mut airing = Locked::new(self.last, &trace, correction, query.to);
        airing.add_tracks(&tracks);
        if let Some(cut) = self.closed.iter().filter_map(|before| before.end.meets(airing.start)).next_back()
        {
            airing.begin_at(cut);
        }
        airing.reach_ends((self.free_before(airing.from), airing.to));
        out.push(event(LiveEventKind::Start, &airing, query.to));
        self.open.push(airing);
    }

    /// Continues an airing that has been lost with an alignment of its track: at another place that explains the whole
    /// airing, or after lost or repeated audio. Returns true if the alignment belongs to the airing.
    fn go_on(
        &mut self,
        i: usize,
        seed: (&Verified, f64),
        window: &Window<'_>,
        query: &Query<'_>,
        outcomes: &mut Vec<Outcome>,
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

    /// Moves an airing to another place of its track if that place explains most of the airing and also later audio. Returns
    /// true if the airing was moved.
    fn realign(
        &mut self,
        i: usize,
        seed: (&Verified, f64),
        window: &Window<'_>,
        query: &Query<'_>,
        outcomes: &mut Vec<Outcome>,
    ) -> bool {
        let Some(mut airing) = self.take(i) else { return false };
        let used = self.explained(&airing.tracks, query, outcomes);
        let trace = Trace::follow(seed, window, query, &used);
        let heard = airing.last_heard();
        let better = trace.filter(|trace| {
            let shared = trace.to.min(heard) - trace.from.max(airing.from);
            shared >= EXPLAINS * (heard - airing.from) && trace.to > heard + TICKS_PER_SECOND
        });
        if let Some(trace) = &better {
            airing.adopt(trace);
        }
        self.open.insert(i, airing);
        better.is_some()
    }
}

/// Returns the trace of the track that an airing starts with, from the tracks that a window found for one recording: the
/// track that is being resumed, or the best choice. `limit` is the logarithm of the accepted probability of chance.
fn primary(
    explanation: &Explanation,
    window: &Window<'_>,
    query: &Query<'_>,
    used: &[bool],
    (limit, sought): (f64, Option<TrackNumber>),
) -> Option<Trace> {
    let follow = |one: &Verified| Trace::follow((one, explanation.log_p), window, query, used);
    let mut traces: Vec<Trace> = explanation.alignments().filter_map(follow).collect();
    traces.retain(|trace| trace.is_airing() && trace.log_p() <= limit);
    if let Some(i) = traces.iter().position(|trace| Some(trace.reference.number) == sought) {
        return Some(traces.swap_remove(i));
    }
    let choices: Vec<Choice> =
        traces.iter().filter_map(|trace| Choice::of(&std::iter::once(trace))).collect();
    best(&choices).map(|i| traces.swap_remove(i))
}

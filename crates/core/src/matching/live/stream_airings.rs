//! The airings of a stream: the open ones and those that ended recently.

use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::TrackNumber;
use crate::matching::line::PeakOutcome;
use crate::matching::query::Query;

use super::event::{Airing, EventKind, LiveEvent};
use super::history::oldest;
use super::resume::ResumedAiring;
use super::tracking::TrackedAiring;

/// Airings of a stream, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct StreamAirings {
    /// Airings that have not ended.
    pub(super) open: Vec<TrackedAiring>,
    /// Ended airings whose audio is still in the history.
    pub(super) closed: Vec<TrackedAiring>,
    /// Airings of the previous matcher that have not been found again yet.
    pub(super) resumed: Vec<ResumedAiring>,
    /// Highest airing number that has been assigned; 0 if none exists.
    pub(super) last: u64,
}

impl StreamAirings {
    /// Verifies every open airing against the new peaks, and determines the start of short airings again
    /// ([`TrackedAiring::retrace`]).
    pub(super) fn extend(&mut self, query: &Query<'_>, outcomes: &mut Vec<PeakOutcome>) {
        for airing in &mut self.open {
            airing.extend(query, outcomes);
        }
        for i in 0..self.open.len() {
            if !self.open[i].is_to_be_retraced() {
                continue;
            }
            // The airing is taken out of the list, so that its own peaks do not count as used. It is put back at the
            // same index to keep the order.
            let Some(mut airing) = self.take(i) else { continue };
            airing.retrace(query, &self.explained(&airing.tracks, query, outcomes));
            airing.extend_to_track_ends((self.free_before(airing.from), airing.to));
            self.open.insert(i, airing);
        }
    }

    /// Removes and returns the open airing with the index `i`, or returns `None` if `i` is out of range.
    pub(super) fn take(&mut self, i: usize) -> Option<TrackedAiring> {
        (i < self.open.len()).then(|| self.open.remove(i))
    }

    /// Returns true if both `open` and `resumed` are empty.
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty() && self.resumed.is_empty()
    }

    /// Returns all open airings, including those of the previous matcher that have not been found again yet, in the
    /// order in which they were found first.
    pub(super) fn airings(&self) -> Vec<Airing> {
        let resumed = self.resumed.iter().map(|resumed| resumed.airing.clone());
        let mut airings: Vec<Airing> = self.open.iter().map(TrackedAiring::export).chain(resumed).collect();
        airings.sort_by_key(|airing| airing.id);
        airings
    }

    /// Returns the latest time at which an open or recently ended airing was detected, in ticks; `None` if there is no
    /// such airing.
    pub(super) fn last_detected(&self) -> Option<f64> {
        self.open.iter().chain(&self.closed).map(TrackedAiring::last_detected).reduce(f64::max)
    }

    /// Searches for the airings of the previous matcher. Those that are found become open airings; those that cannot be
    /// found any more end. Adds their events to `out`.
    pub(super) fn find_resumed(
        &mut self,
        query: &Query<'_>,
        correction: f64,
        outcomes: &mut Vec<PeakOutcome>,
        out: &mut Vec<LiveEvent>,
    ) {
        for resumed in std::mem::take(&mut self.resumed) {
            let used = self.explained(&[resumed.airing.detected.track], query, outcomes);
            if let Some(trace) = resumed.find(query, &used) {
                self.open.push(TrackedAiring::continued(resumed.airing, &trace, correction, query.to));
            } else if resumed.has_ended(query.to) {
                out.push(resumed.end(query.to));
            } else {
                self.resumed.push(resumed);
            }
        }
    }

    /// Ends the airings that have finished and adds their events to `out`. Ends all airings if `all` is true, at the
    /// end of the stream.
    pub(super) fn close(
        &mut self,
        query: &Query<'_>,
        all: bool,
        outcomes: &mut Vec<PeakOutcome>,
        out: &mut Vec<LiveEvent>,
    ) {
        let mut i = 0;
        while let Some(airing) = self.open.get(i) {
            // If another song has begun since the last detection, this airing ends sooner. So the latest start of the
            // other airings is needed.
            let others = self.open.iter().filter(|other| other.id != airing.id).map(|other| other.from);
            if all || airing.has_ended(query, others.reduce(f64::max)) {
                self.end(i, query, outcomes, out);
            } else {
                i += 1;
            }
        }
        if all {
            out.extend(self.resumed.drain(..).map(|resumed| resumed.end(query.to)));
        }
        // Ended airings are needed as long as their audio is in the history, because otherwise a later search would
        // find them again.
        self.closed.retain(|airing| airing.to > oldest(query.to));
    }

    /// Ends the airings whose track satisfies `is_removed`, without further verification, and adds their final events
    /// to `out`. `at` is the time of the decision, in ticks.
    pub(super) fn end_tracks(
        &mut self,
        at: f64,
        is_removed: impl Fn(TrackNumber) -> bool,
        out: &mut Vec<LiveEvent>,
    ) {
        self.open.retain(|airing| {
            let is_removed = is_removed(airing.reference.number);
            if is_removed {
                out.push(event(EventKind::Final, airing, at));
            }
            !is_removed
        });
        self.resumed.retain(|resumed| {
            let is_removed = is_removed(resumed.airing.detected.track);
            if is_removed {
                out.push(resumed.end(at));
            }
            !is_removed
        });
    }

    /// Ends the open airing with the index `i`: determines its exact end and adds its final event to `out`.
    pub(super) fn end(
        &mut self,
        i: usize,
        query: &Query<'_>,
        outcomes: &mut Vec<PeakOutcome>,
        out: &mut Vec<LiveEvent>,
    ) {
        let Some(mut airing) = self.take(i) else { return };
        let used = self.explained(&airing.tracks, query, outcomes);
        // The end is determined before the airing is extended to the ends of its track, because that needs the final
        // line.
        airing.close(query, &used);
        let others = self.open.iter().map(|other| other.from).filter(|from| *from > airing.from);
        let free = others.fold(query.to, f64::min);
        airing.extend_to_track_ends((self.free_before(airing.from), free));
        // If another airing follows without a gap, its start and the end of this airing are set to the same time.
        let following = self.open.iter_mut().filter(|next| next.from > airing.from);
        for next in following {
            if let Some(cut) = airing.end.meets(next.start) {
                airing.to = cut;
                next.move_start(cut);
            }
        }
        out.push(event(EventKind::Final, &airing, query.to));
        self.closed.push(airing);
    }

    /// Returns the set of the query's peaks that an airing of these tracks may not use. These are the peaks that other
    /// recordings explain, and all peaks during other airings of the same recording, because a recording plays only
    /// once at a time.
    pub(super) fn explained(
        &self,
        tracks: &[TrackNumber],
        query: &Query<'_>,
        outcomes: &mut Vec<PeakOutcome>,
    ) -> Vec<bool> {
        let mut used = vec![false; query.peaks.len()];
        for airing in self.open.iter().chain(&self.closed) {
            if airing.is_of(tracks) {
                let at = |time: f64| query.peaks.partition_point(|p| f64::from(p.time) < time);
                // The peaks are excluded up to the last detection and not up to now: after it the recording may be
                // playing at another place.
                let (from, to) = (at(airing.from), at(airing.last_detected()));
                used[from..to.max(from)].fill(true);
            } else {
                airing.explain(query, outcomes, &mut used);
            }
        }
        used
    }

    /// Returns the latest end, at or before the time `from`, of an open or recently ended airing, or 0 if there is
    /// none. Both times are in ticks.
    pub(super) fn free_before(&self, from: f64) -> f64 {
        let all = self.open.iter().chain(&self.closed).map(|other| other.to);
        all.filter(|to| *to <= from).fold(0.0, f64::max)
    }

    /// Replaces `out` by the query's peaks that no open or recently ended airing explains.
    pub(super) fn unexplained(
        &self,
        query: &Query<'_>,
        outcomes: &mut Vec<PeakOutcome>,
        out: &mut Vec<crate::fingerprint::Peak>,
    ) {
        let mut used = vec![false; query.peaks.len()];
        for airing in self.open.iter().chain(&self.closed) {
            airing.explain(query, outcomes, &mut used);
        }
        out.clear();
        out.extend(query.peaks.iter().zip(&used).filter(|(_, used)| !**used).map(|(peak, _)| *peak));
    }

    /// Adds to `out` an update event for each open airing whose last event is at least `interval` ticks before `at`,
    /// the time of the decision in ticks.
    pub(super) fn update(&mut self, at: f64, interval: f64, out: &mut Vec<LiveEvent>) {
        for airing in self.open.iter_mut().filter(|airing| at - airing.last_event >= interval) {
            airing.last_event = at;
            out.push(event(EventKind::Update, airing, at));
        }
    }
}

/// Creates an event with the current state of an airing. `at` is the time of the decision, in ticks.
pub(super) fn event(kind: EventKind, airing: &TrackedAiring, at: f64) -> LiveEvent {
    LiveEvent { kind, known_at: at / TICKS_PER_SECOND, airing: airing.export() }
}

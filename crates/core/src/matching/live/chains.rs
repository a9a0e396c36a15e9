//! The airings of a stream: those that go on, and those that ended lately.

use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::TrackNumber;
use crate::matching::line::Outcome;
use crate::matching::trace::Query;

use super::event::{Airing, LiveEvent, LiveEventKind};
use super::history::oldest;
use super::locked::Locked;
use super::resume::Sought;

/// Airings, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Chains {
    pub(super) open: Vec<Locked>,
    /// Ended ones whose sound is still remembered.
    pub(super) closed: Vec<Locked>,
    /// Those of another matcher that were not found again yet.
    pub(super) sought: Vec<Sought>,
    /// Highest number that was given.
    pub(super) last: u64,
}

impl Chains {
    /// Looks for what every open airing should have let hear since.
    pub(super) fn extend(&mut self, query: &Query<'_>, outcomes: &mut Vec<Outcome>) {
        for airing in &mut self.open {
            airing.extend(query, outcomes);
        }
        for i in 0..self.open.len() {
            if !self.open[i].is_to_be_retraced() {
                continue;
            }
            let Some(mut airing) = self.take(i) else { continue };
            airing.retrace(query, &self.explained(&airing.tracks, query, outcomes));
            airing.reach_ends((self.free_before(airing.from), airing.to));
            self.open.insert(i, airing);
        }
    }

    pub(super) fn take(&mut self, i: usize) -> Option<Locked> {
        (i < self.open.len()).then(|| self.open.remove(i))
    }

    /// Whether nothing goes on.
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty() && self.sought.is_empty()
    }

    /// What another matcher needs to continue all that goes on, in the order in which it was found.
    pub(super) fn airings(&self) -> Vec<Airing> {
        let sought = self.sought.iter().map(|sought| sought.airing.clone());
        let mut airings: Vec<Airing> = self.open.iter().map(Locked::export).chain(sought).collect();
        airings.sort_by_key(|airing| airing.id);
        airings
    }

    /// Latest time at which one was heard, ticks.
    pub(super) fn last_heard(&self) -> Option<f64> {
        self.open.iter().chain(&self.closed).map(Locked::last_heard).reduce(f64::max)
    }

    /// Looks for the airings of another matcher.
    pub(super) fn seek(
        &mut self,
        query: &Query<'_>,
        correction: f64,
        outcomes: &mut Vec<Outcome>,
        out: &mut Vec<LiveEvent>,
    ) {
        for sought in std::mem::take(&mut self.sought) {
            let used = self.explained(&[sought.airing.heard.track], query, outcomes);
            if let Some(trace) = sought.find(query, &used) {
                self.open.push(Locked::continued(sought.airing, &trace, correction, query.to));
            } else if sought.is_over(query.to) {
                out.push(sought.end(query.to));
            } else {
                self.sought.push(sought);
            }
        }
    }

    /// Ends what is over; `out` gets the events. All, if the stream is.
    pub(super) fn close(
        &mut self,
        query: &Query<'_>,
        all: bool,
        outcomes: &mut Vec<Outcome>,
        out: &mut Vec<LiveEvent>,
    ) {
        let mut i = 0;
        while let Some(airing) = self.open.get(i) {
            let others = self.open.iter().filter(|other| other.id != airing.id).map(|other| other.from);
            if all || airing.is_over(query, others.reduce(f64::max)) {
                self.end(i, query, outcomes, out);
            } else {
                i += 1;
            }
        }
        if all {
            out.extend(self.sought.drain(..).map(|sought| sought.end(query.to)));
        }
        self.closed.retain(|airing| airing.to > oldest(query.to));
    }

    /// Ends the airings of tracks for which `gone` holds, as they are.
    pub(super) fn drop_tracks(
        &mut self,
        at: f64,
        gone: impl Fn(TrackNumber) -> bool,
        out: &mut Vec<LiveEvent>,
    ) {
        self.open.retain(|airing| {
            let gone = gone(airing.reference.number);
            if gone {
                out.push(event(LiveEventKind::Final, airing, at));
            }
            !gone
        });
        self.sought.retain(|sought| {
            let gone = gone(sought.airing.heard.track);
            if gone {
                out.push(sought.end(at));
            }
            !gone
        });
    }

    /// Ends one.
    pub(super) fn end(
        &mut self,
        i: usize,
        query: &Query<'_>,
        outcomes: &mut Vec<Outcome>,
        out: &mut Vec<LiveEvent>,
    ) {
        let Some(mut airing) = self.take(i) else { return };
        let used = self.explained(&airing.tracks, query, outcomes);
        airing.close(query, &used);
        let others = self.open.iter().map(|other| other.from).filter(|from| *from > airing.from);
        let free = others.fold(query.to, f64::min);
        airing.reach_ends((self.free_before(airing.from), free));
        // Where the next one follows without a gap, both meet.
        let behind = self.open.iter_mut().filter(|next| next.from > airing.from);
        for next in behind {
            if let Some(cut) = airing.end.meets(next.start) {
                airing.to = cut;
                next.begin_at(cut);
            }
        }
        out.push(event(LiveEventKind::Final, &airing, query.to));
        self.closed.push(airing);
    }

    /// Peaks that another airing of the recording that these tracks carry must do without: those that these explain. A
    /// recording plays once at a time: of its airings, the whole stretch.
    pub(super) fn explained(
        &self,
        tracks: &[TrackNumber],
        query: &Query<'_>,
        outcomes: &mut Vec<Outcome>,
    ) -> Vec<bool> {
        let mut used = vec![false; query.peaks.len()];
        for airing in self.open.iter().chain(&self.closed) {
            if airing.is_of(tracks) {
                let at = |time: f64| query.peaks.partition_point(|p| f64::from(p.time) < time);
                let (from, to) = (at(airing.from), at(airing.last_heard()));
                used[from..to.max(from)].fill(true);
            } else {
                airing.explain(query, outcomes, &mut used);
            }
        }
        used
    }

    /// End of the last airing that was over before a time, ticks.
    pub(super) fn free_before(&self, from: f64) -> f64 {
        let all = self.open.iter().chain(&self.closed).map(|other| other.to);
        all.filter(|to| *to <= from).fold(0.0, f64::max)
    }

    /// The peaks that no open airing explains.
    pub(super) fn unexplained(
        &self,
        query: &Query<'_>,
        outcomes: &mut Vec<Outcome>,
        out: &mut Vec<crate::fingerprint::Peak>,
    ) {
        let mut used = vec![false; query.peaks.len()];
        for airing in self.open.iter().chain(&self.closed) {
            airing.explain(query, outcomes, &mut used);
        }
        out.clear();
        out.extend(query.peaks.iter().zip(&used).filter(|(_, used)| !**used).map(|(peak, _)| *peak));
    }

    /// Tells of airings that were not told of for so long, ticks.
    pub(super) fn update(&mut self, at: f64, every: f64, out: &mut Vec<LiveEvent>) {
        for airing in self.open.iter_mut().filter(|airing| at - airing.told >= every) {
            airing.told = at;
            out.push(event(LiveEventKind::Update, airing, at));
        }
    }
}

pub(super) fn event(kind: LiveEventKind, airing: &Locked, at: f64) -> LiveEvent {
    LiveEvent { kind, airing: airing.id, known_at: at / TICKS_PER_SECOND, heard: airing.report() }
}

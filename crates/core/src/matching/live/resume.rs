//! Airings that another matcher had found, looked for where they should be.
//!
//! Whoever takes a stream over knows what was going on, but time may be off by a little between the two. So each
//! airing is first looked for around its expected place, which needs far less proof than a search of the catalogue.

use std::sync::Arc;

use crate::fingerprint::TICKS_PER_SECOND;
use crate::fingerprint::relief::UNKNOWN;
use crate::index::{IndexError, Snapshot};
use crate::matching::line::Line;
use crate::matching::places::Places;
use crate::matching::reference::Reference;
use crate::matching::splice::{Stretch, jump_across_clocks};
use crate::matching::trace::{Query, Trace};
use crate::matching::verify::{Ground, Rough, Verified, Window};

use super::event::{Airing, LiveEvent, LiveEventKind};

/// It is looked for as soon as so much was heard (1.5 s, ticks), in the latest sound up to so much (10 s) …
const SHORTEST: f64 = 1.5 * TICKS_PER_SECOND;
const LONGEST: f64 = 10.0 * TICKS_PER_SECOND;
/// … so far (2 s, ticks) to both sides of its place, in steps that the fit of a line bridges.
const REACH: f64 = 2.0 * TICKS_PER_SECOND;
const STEP: f64 = 8.0;
/// It is found below this logarithm of the probability of chance.
const FOUND: f64 = -14.0;
/// An airing ends if it is not found within this time after its last known end (12 s, in ticks).
const PATIENCE: f64 = 12.0 * TICKS_PER_SECOND;
/// Largest distance from the first sample to an airing that lies ahead (6 h, in ticks). At a larger distance the clock of the
/// stream has changed, and the airing counts as past.
const MAX_AHEAD: f64 = 6.0 * 3600.0 * TICKS_PER_SECOND;

/// An airing that is to be continued.
#[derive(Debug)]
pub(super) struct Sought {
    pub(super) airing: Airing,
    /// Its track, unless it was removed.
    reference: Option<Arc<Reference>>,
    line: Line,
}

impl Sought {
    pub(super) fn new(airing: Airing, snapshot: &Snapshot) -> Result<Self, IndexError> {
        let reference = match snapshot.find(airing.heard.track)? {
            None => None,
            Some((run, entry)) => {
                let constellation = run.constellation(&entry)?;
                let ticks = constellation.seconds * TICKS_PER_SECOND;
                Some(Arc::new(Reference { number: airing.heard.track, peaks: constellation.peaks, ticks }))
            }
        };
        let speed = if airing.heard.speed > 0.0 { airing.heard.speed } else { 1.0 };
        let offset = (airing.reference_end - airing.heard.query_end * speed) * TICKS_PER_SECOND;
        let line = Line { offset, speed, pitch: (airing.heard.pitch_cents / 1200.0).exp2() };
        Ok(Self { airing, reference, line })
    }

    /// Looks for it in the latest sound. `used` are peaks of others.
    pub(super) fn find(&self, query: &Query<'_>, used: &[bool]) -> Option<Trace> {
        let reference = self.reference.as_ref()?;
        // Audio that is decoded again comes before the start of the airing.
        let start = self.ticks_ahead(self.airing.heard.query_start);
        if query.to < start + SHORTEST {
            return None;
        }
        let window = Window {
            peaks: query.peaks,
            from: (query.to - LONGEST).max(start).floor(),
            to: query.to,
            relief: &UNKNOWN,
        };
        let mut places = Places::default();
        places.map(&window);
        let ground = Ground { chance: query.chance, places: &places };
        let steps = (REACH / STEP) as i32;
        let tried = f64::from(2 * steps + 1).ln();
        let near = |step: i32| {
            let line = Line { offset: self.line.offset + f64::from(step) * STEP, ..self.line };
            Verified::near(reference, Rough { line, tried }, &window, ground)
        };
        let best = (-steps..=steps).map(near).min_by(|a, b| a.quick.total_cmp(&b.quick))?;
        let best = best.weighed(&window, ground);
        if best.log_p() > FOUND {
            return None;
        }
        Trace::follow((&best, best.log_p()), &window, query, used).filter(Trace::is_airing)
    }

    /// Returns true if what was found elsewhere is this airing: the clocks of two workers may differ, so it is enough that
    /// the track is near its place, or that both are at the same time because sound is processed again.
    pub(super) fn is(&self, found: &Trace) -> bool {
        let heard = &self.airing.heard;
        let (from, to) = (heard.query_start * TICKS_PER_SECOND, heard.query_end * TICKS_PER_SECOND);
        let before = Stretch { line: &self.line, from, to };
        let after = Stretch { line: &found.line, from: found.from, to: found.to };
        let overlaps = found.to > from && found.from < to - REACH;
        heard.track == found.reference.number
            && (overlaps || jump_across_clocks(before, after, found.reference.ticks).is_some())
    }

    /// Whether it is no use to go on.
    pub(super) fn is_over(&self, at: f64) -> bool {
        self.reference.is_none() || at > self.ticks_ahead(self.airing.heard.query_end) + PATIENCE
    }

    /// Ticks from the first sample to a time in seconds; 0 if that is before, or too far ahead.
    fn ticks_ahead(&self, seconds: f64) -> f64 {
        let ticks = seconds * TICKS_PER_SECOND;
        if (0.0..MAX_AHEAD).contains(&ticks) { ticks } else { 0.0 }
    }

    /// Its last event, if it was not found again.
    pub(super) fn end(&self, at: f64) -> LiveEvent {
        let Airing { id, .. } = self.airing;
        let kind = LiveEventKind::Final;
        LiveEvent { kind, airing: id, known_at: at / TICKS_PER_SECOND, heard: self.airing.heard.clone() }
    }
}

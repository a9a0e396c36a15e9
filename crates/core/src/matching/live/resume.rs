//! Resumed airings: airings of the previous matcher that are searched at their expected places.
//!
//! A matcher that takes over a stream receives the open airings of the previous one, but the clocks of the two may differ a
//! little. So each airing is first searched around its expected place, which requires much less evidence than a search of the
//! catalog.

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

/// Minimum length of audio for the search (1.5 s, in ticks).
const SHORTEST: f64 = 1.5 * TICKS_PER_SECOND;
/// Maximum length of the most recent audio that is searched (10 s, in ticks).
const LONGEST: f64 = 10.0 * TICKS_PER_SECOND;
/// Maximum distance from the expected place in both directions (2 s, in ticks).
const REACH: f64 = 2.0 * TICKS_PER_SECOND;
/// Distance between the tried places, in ticks; the fit of a line corrects smaller deviations.
const STEP: f64 = 8.0;
/// Log-probability of chance below which an airing counts as found.
const FOUND: f64 = -14.0;
/// Time after its last known end at which an airing that has not been found ends (12 s, in ticks).
const PATIENCE: f64 = 12.0 * TICKS_PER_SECOND;
/// Maximum distance from the first sample to an airing that is ahead (6 h, in ticks). At a larger distance the clock of the
/// stream has changed, and the airing counts as past.
const MAX_AHEAD: f64 = 6.0 * 3600.0 * TICKS_PER_SECOND;

/// An airing of the previous matcher that has not been found again yet.
#[derive(Debug)]
pub(super) struct Sought {
    pub(super) airing: Airing,
    /// Track of the airing, or `None` if it was removed from the catalog.
    reference: Option<Arc<Reference>>,
    /// Expected line of the airing.
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

    /// Searches for the airing in the most recent audio. Peaks marked in `used` belong to other airings.
    pub(super) fn find(&self, query: &Query<'_>, used: &[bool]) -> Option<Trace> {
        let reference = self.reference.as_ref()?;
        // Audio that is decoded again precedes the start of the airing.
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

    /// Returns true if a trace that was found elsewhere is this airing. The clocks of two workers may differ, so it is
    /// sufficient that the track is near its expected position, or that both overlap in time because audio is processed
    /// again.
    pub(super) fn is(&self, found: &Trace) -> bool {
        let heard = &self.airing.heard;
        let (from, to) = (heard.query_start * TICKS_PER_SECOND, heard.query_end * TICKS_PER_SECOND);
        let before = Stretch { line: &self.line, from, to };
        let after = Stretch { line: &found.line, from: found.from, to: found.to };
        let overlaps = found.to > from && found.from < to - REACH;
        heard.track == found.reference.number
            && (overlaps || jump_across_clocks(before, after, found.reference.ticks).is_some())
    }

    /// Returns true if the airing cannot be found any more, because its track was removed or its time has expired.
    pub(super) fn is_over(&self, at: f64) -> bool {
        self.reference.is_none() || at > self.ticks_ahead(self.airing.heard.query_end) + PATIENCE
    }

    /// Returns the ticks from the first sample to a time in seconds; 0 if the time is earlier or too far ahead.
    fn ticks_ahead(&self, seconds: f64) -> f64 {
        let ticks = seconds * TICKS_PER_SECOND;
        if (0.0..MAX_AHEAD).contains(&ticks) { ticks } else { 0.0 }
    }

    /// Returns the final event of an airing that was not found again.
    pub(super) fn end(&self, at: f64) -> LiveEvent {
        let Airing { id, .. } = self.airing;
        let kind = LiveEventKind::Final;
        LiveEvent { kind, airing: id, known_at: at / TICKS_PER_SECOND, heard: self.airing.heard.clone() }
    }
}

//! Resumed airings: airings of the previous matcher that are searched at their expected places.
//!
//! A matcher that takes over a stream receives the open airings of the previous one, but the clocks of the two may
//! differ a little. So each airing is first searched around its expected place, which requires much less evidence than
//! a search of the catalog.

use std::sync::Arc;

use crate::fingerprint::TICKS_PER_SECOND;
use crate::fingerprint::relief::UNKNOWN;
use crate::index::{IndexError, Snapshot};
use crate::matching::line::Line;
use crate::matching::peak_grid::PeakGrid;
use crate::matching::query::{Query, Window};
use crate::matching::reference::Reference;
use crate::matching::splice::{LineStretch, jump_across_clocks};
use crate::matching::trace::Trace;
use crate::matching::verify::{Alignment, InitialAlignment, WindowStatistics};

use super::event::{Airing, EventKind, LiveEvent};

/// Minimum length of audio for the search (1.5 s, in ticks). At half this value, a few chance hits can select a wrong
/// place; at twice this value, the airings continue 1.5 s later.
const MIN_AUDIO_TICKS: f64 = 1.5 * TICKS_PER_SECOND;
/// Maximum length of the most recent audio that is searched (10 s, in ticks). It equals the window in which chance is
/// measured. At half this value, airings under speech are not found again; at twice this value, audio of another place
/// dilutes the evidence.
const MAX_AUDIO_TICKS: f64 = 10.0 * TICKS_PER_SECOND;
/// Maximum distance from the expected place in both directions (2 s, in ticks). At half this value, workers whose
/// clocks differ by more than a second report the song again; at twice this value, more places are tried and repetitive
/// songs can be continued a beat off.
const MAX_DISTANCE_TICKS: f64 = 2.0 * TICKS_PER_SECOND;
/// Distance between the tried places, in ticks (46 ms). The fit of a line corrects smaller deviations. At half this
/// value, the search costs twice as much; at twice this value, an airing between two tried places can be missed.
const STEP_TICKS: f64 = 8.0;
/// Log-probability of chance below which an airing counts as found. e^-14 is about one in a million. At half this
/// value, a song with the same beat continues the airing; at twice this value, airings under speech are lost at a
/// take-over.
const FOUND_LOG_P: f64 = -14.0;
/// Time after the last known end of a resumed airing (12 s, in ticks). An airing that has not been found by then
/// ends. At half this value, a longer spoken passage ends the airing; at twice this value, the final event of a song
/// that has ended comes later.
const RESUME_TIMEOUT_TICKS: f64 = 12.0 * TICKS_PER_SECOND;
/// Maximum time from the first sample to a resumed airing in audio that is decoded again (6 h, in ticks). At a larger
/// distance the clock of the stream has changed, and the airing counts as past. The value exceeds the length of the
/// playlists that are decoded again from their start. At half this value, airings in playlists of more than 3 h end too
/// early; at twice this value, a wrong clock keeps an airing open for up to 12 h.
const MAX_AHEAD_TICKS: f64 = 6.0 * 3600.0 * TICKS_PER_SECOND;

/// An airing of the previous matcher that has not been found again yet.
#[derive(Debug)]
pub(super) struct ResumedAiring {
    pub(super) airing: Airing,
    /// Track of the airing, or `None` if it was removed from the catalog.
    reference: Option<Arc<Reference>>,
    /// Line along which the airing is expected to continue.
    line: Line,
}

impl ResumedAiring {
    pub(super) fn new(airing: Airing, snapshot: &Snapshot) -> Result<Self, IndexError> {
        let reference = match snapshot.find(airing.detected.track)? {
            None => None,
            Some((run, entry)) => {
                let constellation = run.constellation(&entry)?;
                let ticks = constellation.seconds * TICKS_PER_SECOND;
                Some(Arc::new(Reference { number: airing.detected.track, peaks: constellation.peaks, ticks }))
            }
        };
        // The state comes from a database, so the speed can be any number.
        let speed = if airing.current_speed > 0.0 { airing.current_speed } else { 1.0 };
        let offset = (airing.reference_end - airing.detected.query_end * speed) * TICKS_PER_SECOND;
        let line = Line { offset, speed, pitch: (airing.detected.pitch_cents / 1200.0).exp2() };
        Ok(Self { airing, reference, line })
    }

    /// Searches for the airing in the most recent audio. Peaks marked in `used` belong to other airings. Returns `None`
    /// if the airing is not found, or not enough audio is available.
    pub(super) fn find(&self, query: &Query<'_>, used: &[bool]) -> Option<Trace> {
        let reference = self.reference.as_ref()?;
        // Audio that is decoded again can precede the start of the airing.
        let start = self.ticks_ahead(self.airing.detected.query_start);
        if query.to < start + MIN_AUDIO_TICKS {
            return None;
        }
        let window = Window {
            peaks: query.peaks,
            from: (query.to - MAX_AUDIO_TICKS).max(start).floor(),
            to: query.to,
            relief: &UNKNOWN,
        };
        let mut peak_grid = PeakGrid::default();
        peak_grid.map(&window);
        let statistics = WindowStatistics { chance: query.chance, peak_grid: &peak_grid };
        let steps = (MAX_DISTANCE_TICKS / STEP_TICKS) as i32;
        let tried = f64::from(2 * steps + 1).ln();
        // The previous matcher measured speed and pitch, so only the offset is tried.
        let near = |step: i32| {
            let line = Line { offset: self.line.offset + f64::from(step) * STEP_TICKS, ..self.line };
            Alignment::near(reference, InitialAlignment { line, tried }, &window, statistics)
        };
        let best = (-steps..=steps).map(near).min_by(|a, b| a.quick_log_p.total_cmp(&b.quick_log_p))?;
        let best = best.refined(&window, statistics);
        if best.log_p() > FOUND_LOG_P {
            return None;
        }
        // The result is a trace and not only the window, so that the continued airing has exact ends.
        Trace::follow((&best, best.log_p()), &window, query, used).filter(Trace::is_airing)
    }

    /// Returns true if `found`, the trace of a search, belongs to this airing: it has the same track and continues the
    /// airing near its expected position ([`jump_across_clocks`]), or it overlaps the airing in time because audio is
    /// processed again. The clocks of the two workers may differ.
    pub(super) fn is_continued_by(&self, found: &Trace) -> bool {
        let detected = &self.airing.detected;
        let (from, to) = (detected.query_start * TICKS_PER_SECOND, detected.query_end * TICKS_PER_SECOND);
        let before = LineStretch { line: &self.line, from, to };
        let after = LineStretch { line: &found.line, from: found.from, to: found.to };
        let overlaps = found.to > from && found.from < to - MAX_DISTANCE_TICKS;
        detected.track == found.reference.number
            && (overlaps || jump_across_clocks(before, after, found.reference.ticks).is_some())
    }

    /// Returns true if the airing cannot be found any more: its track was removed, or the time `at` (ticks) is more
    /// than [`RESUME_TIMEOUT_TICKS`] after its last known end.
    pub(super) fn has_ended(&self, at: f64) -> bool {
        self.reference.is_none()
            || at > self.ticks_ahead(self.airing.detected.query_end) + RESUME_TIMEOUT_TICKS
    }

    /// Returns the ticks from the first sample to a stream time in seconds; 0 if the time is earlier or too far ahead.
    fn ticks_ahead(&self, seconds: f64) -> f64 {
        let ticks = seconds * TICKS_PER_SECOND;
        if (0.0..MAX_AHEAD_TICKS).contains(&ticks) { ticks } else { 0.0 }
    }

    /// Returns the final event of an airing that was not found again. `at` is the time of the decision, in ticks.
    pub(super) fn end(&self, at: f64) -> LiveEvent {
        LiveEvent { kind: EventKind::Final, known_at: at / TICKS_PER_SECOND, airing: self.airing.clone() }
    }
}

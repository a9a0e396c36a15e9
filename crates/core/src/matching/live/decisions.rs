//! Decisions of a live matcher at one time of the stream.

use std::sync::{Arc, Weak};

use crate::fingerprint::TICKS_PER_SECOND;
use crate::fingerprint::relief::UNKNOWN;
use crate::index::{IndexError, Snapshot};
use crate::matching::competitors::SelfSimilarity;
use crate::matching::query::{Query, Window};
use crate::matching::window::{WindowMatches, WindowSearch, log_hypotheses};

use super::event::LiveEvent;
use super::evidence::EVIDENCE_WEIGHT;
use super::history::{is_silent, oldest, since};
use super::search_schedule::{PlannedSearch, SEARCHES_PER_HOUR, SearchEffort};
use super::{LiveBuffers, LiveMatcher};

/// Maximum number of unpacked tracks in the buffers of one thread, about 40 MB. At half this value, tracks are unpacked
/// more often; at twice this value, the buffers take about 80 MB.
const MAX_LOADED_TRACKS: usize = 600;

impl LiveMatcher {
    /// Makes the decision at the stream time `self.decided`: starts, continues and ends airings with the peaks before
    /// this time. Adds the events to `out`.
    pub(super) fn decide(
        &mut self,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<LiveEvent>,
    ) -> Result<(), IndexError> {
        let at = f64::from(self.decided);
        let lost = self.end_removed_tracks(snapshot, out);
        let peaks = self.history.at(at);
        if !self.stream_airings.is_idle() {
            buffers.measure(peaks, at);
            let query = Query { peaks, from: oldest(at), to: at, chance: &buffers.chance };
            let correction = log_hypotheses(snapshot, SEARCHES_PER_HOUR as usize);
            self.stream_airings.find_resumed(&query, correction, &mut buffers.outcomes, out);
            self.stream_airings.extend(&query, &mut buffers.outcomes);
            self.stream_airings.close(&query, false, &mut buffers.outcomes, out);
        }
        let detected = self.stream_airings.last_detected();
        let plan = self.search_schedule.plan(u64::from(self.decided), detected, is_silent(peaks, at));
        let searched = plan.map_or(Ok(()), |plan| self.search(plan, snapshot, buffers, out));
        if let Some(seconds) = self.settings.update_seconds {
            self.stream_airings.update(at, seconds * TICKS_PER_SECOND, out);
        }
        lost.and(searched)
    }

    /// Ends the airings of tracks that a new snapshot does not contain.
    fn end_removed_tracks(
        &mut self,
        snapshot: &Snapshot,
        out: &mut Vec<LiveEvent>,
    ) -> Result<(), IndexError> {
        let new = Arc::downgrade(snapshot.identity());
        if Weak::ptr_eq(&self.snapshot_identity, &new) {
            return Ok(());
        }
        let mut removed_tracks = Vec::new();
        for airing in self.stream_airings.airings() {
            if snapshot.find(airing.detected.track)?.is_none() {
                removed_tracks.push(airing.detected.track);
            }
        }
        self.snapshot_identity = new;
        self.stream_airings.end_tracks(f64::from(self.decided), |track| removed_tracks.contains(&track), out);
        Ok(())
    }

    /// Makes a planned search of the peaks that no airing explains, and starts or continues airings. Adds the events to
    /// `out`.
    pub(super) fn search(
        &mut self,
        PlannedSearch { effort, from }: PlannedSearch,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<LiveEvent>,
    ) -> Result<(), IndexError> {
        let at = f64::from(self.decided);
        let peaks = self.history.at(at);
        buffers.measure(peaks, at);
        let LiveBuffers { search, chance, outcomes, unexplained } = buffers;
        let latest = Query { peaks: since(peaks, from), from, to: at, chance };
        self.stream_airings.unexplained(&latest, outcomes, unexplained);
        let correction = log_hypotheses(snapshot, SEARCHES_PER_HOUR as usize);
        let accepted = self.settings.false_events_per_hour.max(f64::MIN_POSITIVE).ln();
        let limit = (accepted - correction) / EVIDENCE_WEIGHT;
        let [all_scales, some_scales, original_scale] = &self.searches;
        let settings = match effort {
            SearchEffort::AllScales => all_scales,
            SearchEffort::SomeScales => some_scales,
            SearchEffort::ClearOnly | SearchEffort::OriginalScale => original_scale,
        };
        let window = Window { peaks: unexplained, from: from.floor(), to: at, relief: &UNKNOWN };
        search.references.trim(MAX_LOADED_TRACKS);
        let mut searching = WindowSearch::with(
            std::mem::take(search),
            snapshot,
            settings,
            (limit, SelfSimilarity::IN_STREAMS),
        )
        .with_all_copies();
        let found = match effort {
            SearchEffort::ClearOnly => searching.find_clear(&window),
            _ => searching.find(&window),
        };
        *search = searching.into_buffers();
        let WindowMatches { accepted, .. } = found?;
        let query = Query { peaks, from: oldest(at), to: at, chance };
        for explanation in &accepted {
            self.stream_airings.admit(explanation, &window, &query, (limit, correction), outcomes, out);
        }
        Ok(())
    }
}

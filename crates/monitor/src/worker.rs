//! Processes all audio of one stream: converts its deliveries to detections.

use std::sync::Arc;

use refrain_catalog::Detection;
use refrain_core::audio::SAMPLE_RATE;
use refrain_core::index::{IndexError, Snapshot};
use refrain_core::matching::live::{LiveBuffers, LiveEvent, LiveSettings};
use refrain_stream::{ClockAnchor, DecoderReport, DecoderSettings, Delivery, StreamClock, TrackChoice};

use super::airings::Airings;
use super::decode::{DecodeError, FingerprintedSpan, IsolatedDecoder};
use super::health::{HealthMonitor, StreamHealth};
use super::search::{SearchContext, StreamSearch};
use super::stage_times::StageTimes;
use super::status::CurrentAiring;

/// Processes the audio of one stream. Its methods wait for nothing but the decoder process.
pub struct StreamWorker {
    id: Arc<str>,
    decoder: IsolatedDecoder,
    search: StreamSearch,
    airings: Airings,
    events: Vec<LiveEvent>,
    pieces: Vec<FingerprintedSpan>,
    /// The reason why the stream cannot be decoded any more; `None` while it can be decoded.
    failure: Option<DecodeError>,
    /// Analyzes the audio; `None` if its health is not measured.
    health: Option<HealthMonitor>,
}

impl StreamWorker {
    /// Creates a worker for the stream with this id, at the start of the stream.
    #[must_use]
    pub fn new(id: Arc<str>, decoder: DecoderSettings, settings: LiveSettings) -> Self {
        Self {
            decoder: IsolatedDecoder::new(Arc::clone(&id), decoder),
            id,
            search: StreamSearch::new(settings),
            airings: Airings::default(),
            events: Vec::new(),
            pieces: Vec::new(),
            failure: None,
            health: None,
        }
    }

    /// Returns the worker with the airings that an earlier worker left open, which this worker continues.
    #[must_use]
    pub fn with_airings(self, airings: Vec<Detection>) -> Self {
        Self { airings: Airings::of(airings), ..self }
    }

    /// Returns a worker that treats the times of the earlier worker's airings as exact, because they are media times
    /// and not times of day.
    #[must_use]
    pub fn with_media_time(mut self) -> Self {
        self.airings.exact = true;
        self
    }

    /// Returns the worker with the clock of an earlier worker, which this worker continues. `None` changes nothing.
    #[must_use]
    pub fn with_clock(mut self, anchor: Option<ClockAnchor>) -> Self {
        if let Some(anchor) = anchor {
            self.decoder.continue_clock(anchor);
        }
        self
    }

    /// Returns the worker with a preferred audio stream of MPEG-TS. Has no effect after the first delivery.
    #[must_use]
    pub fn with_track(mut self, choice: TrackChoice) -> Self {
        self.decoder.prefer_track(choice);
        self
    }

    /// Returns the worker with an analysis of the health of the audio. Has no effect after the first delivery.
    #[must_use]
    pub(super) fn with_health(mut self, health: Option<HealthMonitor>) -> Self {
        if health.is_some() {
            self.decoder.measure_health();
        }
        self.health = health;
        self
    }

    /// Processes the next delivery and adds the resulting detections to `out`. `buffers` is working memory: its content
    /// has no effect on the result, and all streams of a thread can share it.
    ///
    /// # Errors
    /// [`IndexError`] if a part of the index that a search needed is damaged. The worker skips this search and
    /// continues.
    pub fn process(
        &mut self,
        delivery: Delivery,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<Detection>,
    ) -> Result<(), IndexError> {
        if self.failure.is_none()
            && let Err(error) = self.decoder.process(delivery, &mut self.pieces)
        {
            self.failure = Some(error);
        }
        self.analyze_health(false);
        self.search_pieces(snapshot, buffers);
        self.report_events(snapshot, out);
        self.search.take_error().map_or(Ok(()), Err)
    }

    /// Ends the stream: every airing gets its final event.
    ///
    /// # Errors
    /// As for [`Self::process`]. In this case too, all detections are added to `out`.
    pub fn finish(
        &mut self,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<Detection>,
    ) -> Result<(), IndexError> {
        self.decoder.finish(&mut self.pieces);
        self.analyze_health(true);
        // The end is read before the spans are consumed: the matcher must know the end even if no peak is near it.
        let end = self.pieces.iter().flat_map(|piece| &piece.ready).map(|ready| ready.until).max();
        self.search_pieces(snapshot, buffers);
        // The times are aligned before the final events, whose ends depend on the alignment.
        if self.airings.is_aligning() {
            self.airings.align(&self.search.state());
        }
        let Self { search, airings, events, .. } = self;
        search.finish(end.unwrap_or_default(), &mut SearchContext { snapshot, buffers, airings, events });
        self.report_events(snapshot, out);
        // Airings that no audio of this worker could confirm still need their one final event.
        out.extend(self.airings.give_up());
        self.search.take_error().map_or(Ok(()), Err)
    }

    /// Ends the work on a stream that another worker continues: open airings get one more update, and no final events.
    pub fn leave(&mut self, snapshot: &Snapshot, out: &mut Vec<Detection>) {
        self.events = self.airings.updates(self.search.state());
        self.report_events(snapshot, out);
    }

    /// Returns the state that another worker needs to continue the clock of the stream. Returns `None` if the stream
    /// has dates or no time stamps.
    #[must_use]
    pub fn clock_anchor(&self) -> Option<ClockAnchor> {
        self.decoder.clock_anchor()
    }

    /// Returns the counters of the stream so far.
    #[must_use]
    pub fn report(&self) -> &DecoderReport {
        self.decoder.report()
    }

    /// Returns the map from positions in the stream to the time of day.
    #[must_use]
    pub fn clock(&self) -> &StreamClock {
        self.decoder.clock()
    }

    /// Returns the seconds of the stream that were processed, gaps included.
    #[must_use]
    pub fn position(&self) -> f64 {
        self.decoder.position() as f64 / f64::from(SAMPLE_RATE)
    }

    /// Returns the open airings, in the order in which they were found.
    #[must_use]
    pub fn airings(&self) -> Vec<CurrentAiring> {
        self.airings.now()
    }

    /// Returns the health of the audio; `None` if it is not measured.
    #[must_use]
    pub fn health(&self) -> Option<StreamHealth> {
        self.health.as_ref().map(HealthMonitor::health)
    }

    /// Returns the start of the audio that no airing explains, in seconds from the stream's first sample. Returns
    /// `None` in silence and while an airing is detected.
    #[must_use]
    pub fn unknown_since(&self) -> Option<f64> {
        self.search.state().unknown_since
    }

    /// Returns the wall-clock time that each stage of processing took so far.
    #[must_use]
    pub fn times(&self) -> StageTimes {
        StageTimes { matching: self.search.time, ..self.decoder.times() }
    }

    /// Returns the reason why the stream cannot be decoded any more; the caller should then end the stream. Returns
    /// `None` while the stream can be decoded.
    #[must_use]
    pub fn failure(&self) -> Option<&DecodeError> {
        self.failure.as_ref()
    }

    /// Analyzes the blocks of the last delivery. At the end of the stream, all alerts end.
    fn analyze_health(&mut self, is_end: bool) {
        let Some(health) = &mut self.health else { return };
        self.decoder.take_health(&mut health.blocks);
        let clock = self.decoder.clock();
        if is_end { health.finish(clock) } else { health.analyze(clock) }
    }

    fn search_pieces(&mut self, snapshot: &Snapshot, buffers: &mut LiveBuffers) {
        let Self { search, airings, events, pieces, .. } = self;
        let mut context = SearchContext { snapshot, buffers, airings, events };
        pieces.drain(..).for_each(|piece| search.process(&piece, &mut context));
    }

    fn report_events(&mut self, snapshot: &Snapshot, out: &mut Vec<Detection>) {
        if self.airings.is_aligning() {
            self.airings.align(&self.search.state());
        }
        for event in std::mem::take(&mut self.events) {
            // Splices are counted in the decoder, so that its report contains all kinds of missing audio.
            let splices = self.airings.new_splices(&event);
            splices.into_iter().for_each(|seconds| self.decoder.count_splice(seconds));
            out.push(self.airings.detection(event, &self.id, self.decoder.clock(), snapshot));
        }
    }
}

//! One stream's deliveries to events: all the work on its sound.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_core::audio::SAMPLE_RATE;
use refrain_core::fingerprint::{Density, Fingerprinter, Peak, TICKS_PER_SECOND};
use refrain_core::index::{IndexError, Snapshot};
use refrain_core::matching::live::{
    Airing, LiveBuffers, LiveEvent, LiveEventKind, LiveMatcher, LiveSettings,
};
use refrain_stream::{Clock, ClockAnchor, Delivery, Ear, EarReport, EarSettings, Media, Sound};

use super::airings::Airings;
use super::event::{OpenAiring, StreamEvent};
use super::status::AiringNow;

/// Gaps up to this are silence for the fingerprinter, samples (2 s); for longer ones it begins anew behind them.
const LONGEST_SILENCE: u64 = 2 * SAMPLE_RATE as u64;

/// Samples of silence before the sound behind a long gap: more than the fingerprinter looks back.
const LEAD: u64 = SAMPLE_RATE as u64;

/// Samples of a frame of the spectrogram, 4 ticks: where fingerprinters meet, frames do.
const FRAME: u64 = 1_024;
const TICKS_PER_FRAME: u64 = 4;

/// Samples of silence that are pushed at once.
const SILENCE: [f32; 4_096] = [0.0; 4_096];

/// Processor time of each stage since the start of a stream, as the clock on the wall tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StageTimes {
    /// Demultiplexing, decoding, resampling.
    pub decode: Duration,
    /// Spectrogram and peaks.
    pub fingerprint: Duration,
    /// Searching and verifying.
    pub matching: Duration,
}

/// Follows the sound of one stream. It waits for nothing and works where it is called.
pub struct StreamWorker {
    id: Arc<str>,
    ear: Ear,
    listener: Listener,
    airings: Airings,
    events: Vec<LiveEvent>,
}

/// Everything behind the ear.
struct Listener {
    settings: LiveSettings,
    fingerprinter: Fingerprinter,
    matcher: LiveMatcher,
    /// Ticks of the stream before the fingerprinter's first sample.
    base: u64,
    /// Samples that were pushed, gaps included.
    position: u64,
    peaks: Vec<Peak>,
    times: StageTimes,
    error: Option<IndexError>,
}

/// What a listener needs of others while it works.
struct Tools<'a> {
    snapshot: &'a Snapshot,
    buffers: &'a mut LiveBuffers,
    airings: &'a mut Airings,
    events: &'a mut Vec<LiveEvent>,
}

impl StreamWorker {
    /// A worker at the start of the stream of this id.
    #[must_use]
    pub fn new(id: Arc<str>, ear: EarSettings, settings: LiveSettings) -> Self {
        let listener = Listener {
            fingerprinter: Fingerprinter::new(Density::Query),
            matcher: LiveMatcher::new(settings.clone()),
            settings,
            base: 0,
            position: 0,
            peaks: Vec::new(),
            times: StageTimes::default(),
            error: None,
        };
        Self { id, ear: Ear::new(ear), listener, airings: Airings::default(), events: Vec::new() }
    }

    /// The same, going on where somebody else has left.
    #[must_use]
    pub fn resuming(self, airings: Vec<OpenAiring>) -> Self {
        Self { airings: Airings::of(airings), ..self }
    }

    /// The same where the airings' times are exact: media time, not times of day.
    #[must_use]
    pub fn in_media_time(mut self) -> Self {
        self.airings.exact = true;
        self
    }

    /// The same, with the clock of that worker.
    #[must_use]
    pub fn continuing_clock(mut self, anchor: Option<ClockAnchor>) -> Self {
        if let Some(anchor) = anchor {
            self.ear.continue_clock(anchor);
        }
        self
    }

    /// Takes what comes next, and adds what happened to `out`. `buffers` may be any; one for each thread is best.
    ///
    /// # Errors
    /// [`IndexError`] if a part of the index that a search touched is damaged. That search is left out; the worker goes
    /// on.
    pub fn hear(
        &mut self,
        delivery: Delivery,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), IndexError> {
        let Self { ear, listener, airings, events, .. } = self;
        let mut tools = Tools { snapshot, buffers, airings, events };
        let (began, before) = (Instant::now(), listener.times);
        ear.hear(delivery, |sound| listener.hear(&sound, &mut tools));
        listener.count_decoding(began, before);
        self.tell(snapshot, out);
        self.listener.error.take().map_or(Ok(()), Err)
    }

    /// Ends the stream: every airing gets its final event.
    ///
    /// # Errors
    /// As [`Self::hear`]; all events are in `out` nevertheless.
    pub fn finish(
        &mut self,
        snapshot: &Snapshot,
        buffers: &mut LiveBuffers,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), IndexError> {
        let Self { ear, listener, airings, events, .. } = self;
        let mut tools = Tools { snapshot, buffers, airings, events };
        let (began, before) = (Instant::now(), listener.times);
        ear.finish(|sound| listener.hear(&sound, &mut tools));
        listener.count_decoding(began, before);
        if tools.airings.is_aligning() {
            tools.airings.align(&listener.matcher.state());
        }
        listener.finish(&mut tools);
        self.tell(snapshot, out);
        out.extend(self.airings.give_up(&self.id));
        self.listener.error.take().map_or(Ok(()), Err)
    }

    /// Leaves the stream to somebody else: airings that go on are told of once more, and get no final events.
    pub fn leave(&mut self, snapshot: &Snapshot, out: &mut Vec<StreamEvent>) {
        self.events = self.airings.updates(self.listener.matcher.state());
        self.tell(snapshot, out);
    }

    /// What another worker needs to continue the clock of the stream.
    #[must_use]
    pub fn clock_anchor(&self) -> Option<ClockAnchor> {
        self.ear.clock_anchor()
    }

    /// What became of the sound so far.
    #[must_use]
    pub fn report(&self) -> &EarReport {
        self.ear.report()
    }

    /// The map from position to time of day.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.ear.clock()
    }

    /// Seconds of the stream that were heard, gaps included.
    #[must_use]
    pub fn position(&self) -> f64 {
        self.listener.position as f64 / f64::from(SAMPLE_RATE)
    }

    /// Airings that go on, in the order in which they were found.
    #[must_use]
    pub fn airings(&self) -> Vec<AiringNow> {
        self.airings.now()
    }

    /// Since when, seconds from the stream's first sample, there is sound that no airing explains.
    #[must_use]
    pub fn unknown_since(&self) -> Option<f64> {
        self.listener.matcher.state().unknown_since
    }

    /// Processor time so far.
    #[must_use]
    pub fn times(&self) -> StageTimes {
        self.listener.times
    }

    fn tell(&mut self, snapshot: &Snapshot, out: &mut Vec<StreamEvent>) {
        if self.airings.is_aligning() {
            self.airings.align(&self.listener.matcher.state());
        }
        for event in std::mem::take(&mut self.events) {
            self.airings.new_splices(&event).into_iter().for_each(|seconds| self.ear.count_splice(seconds));
            out.push(self.airings.event(event, &self.id, self.ear.clock(), snapshot));
        }
    }
}

impl Listener {
    fn hear(&mut self, sound: &Sound<'_>, tools: &mut Tools<'_>) {
        if tools.airings.is_awaiting() {
            self.resume(sound, tools);
        }
        if let Media::Gap { samples, .. } = sound.media {
            tools.airings.add_gap(sound.seconds(), samples as f64 / f64::from(SAMPLE_RATE));
        }
        match sound.media {
            Media::Samples(samples) => self.push(samples, tools),
            Media::Gap { samples, .. } if samples <= LONGEST_SILENCE => self.be_silent(samples, tools),
            Media::Gap { samples, .. } => self.skip(samples, tools),
        }
    }

    /// Looks from now on for what another worker has found. Where the index is too damaged for that, it ends.
    fn resume(&mut self, sound: &Sound<'_>, tools: &mut Tools<'_>) {
        let origin = sound.epoch - sound.seconds();
        let airings = tools.airings.begin(origin, sound.shared_clock, tools.snapshot);
        match LiveMatcher::resume(self.settings.clone(), &airings, 0, tools.snapshot) {
            Ok(matcher) => self.matcher = matcher,
            Err(error) => {
                let last = |Airing { id, heard, .. }| LiveEvent {
                    kind: LiveEventKind::Final,
                    airing: id,
                    known_at: 0.0,
                    heard,
                };
                tools.events.extend(airings.into_iter().map(last));
                self.error = Some(error);
            }
        }
    }

    fn push(&mut self, samples: &[f32], tools: &mut Tools<'_>) {
        let began = Instant::now();
        self.fingerprinter.push(samples);
        self.position += samples.len() as u64;
        self.peaks.clear();
        self.fingerprinter.take_ready(&mut self.peaks);
        let ready = u64::from(self.fingerprinter.ready_until());
        self.times.fingerprint += began.elapsed();
        self.search(self.base + ready, tools);
    }

    fn be_silent(&mut self, mut samples: u64, tools: &mut Tools<'_>) {
        while samples > 0 {
            let now = SILENCE.len().min(usize::try_from(samples).unwrap_or(usize::MAX));
            self.push(SILENCE.get(..now).unwrap_or_default(), tools);
            samples -= now as u64;
        }
    }

    /// Lets time pass without transforming silence: what is missing may be hours.
    fn skip(&mut self, samples: u64, tools: &mut Tools<'_>) {
        self.flush(tools);
        let end = self.position + samples;
        let begin = (end - LEAD) / FRAME * FRAME;
        self.position = begin;
        self.base = begin / FRAME * TICKS_PER_FRAME;
        self.search(self.base, tools);
        self.be_silent(end - begin, tools);
    }

    /// Takes the last peaks out of the fingerprinter, and gives it a successor.
    fn flush(&mut self, tools: &mut Tools<'_>) {
        let began = Instant::now();
        let next = Fingerprinter::new(Density::Query);
        let rest = std::mem::replace(&mut self.fingerprinter, next).finish();
        self.peaks.clear();
        self.peaks.extend(rest.peaks);
        self.times.fingerprint += began.elapsed();
        let until = self.base + (rest.seconds * TICKS_PER_SECOND) as u64;
        self.search(until, tools);
    }

    /// Gives the matcher the peaks that are new. The stream's time in ticks ends after 288 days; a stream that lasts longer
    /// is not searched any more.
    fn search(&mut self, until: u64, tools: &mut Tools<'_>) {
        let began = Instant::now();
        let tick = |ticks: u64| u32::try_from(ticks).unwrap_or(u32::MAX);
        let base = tick(self.base);
        self.peaks.iter_mut().for_each(|peak| peak.time = peak.time.saturating_add(base));
        let Tools { snapshot, buffers, events, .. } = tools;
        let pushed = self.matcher.push(&self.peaks, tick(until), snapshot, buffers, events);
        self.peaks.clear();
        self.error = self.error.take().or(pushed.err());
        self.times.matching += began.elapsed();
    }

    fn finish(&mut self, tools: &mut Tools<'_>) {
        self.flush(tools);
        let began = Instant::now();
        let seconds = self.position as f64 / f64::from(SAMPLE_RATE);
        let rest = refrain_core::fingerprint::Constellation::new(seconds, Vec::new());
        let spent = LiveMatcher::new(LiveSettings::default());
        let matcher = std::mem::replace(&mut self.matcher, spent);
        let finished = matcher.finish(&rest, tools.snapshot, tools.buffers, tools.events);
        self.error = self.error.take().or(finished.err());
        self.times.matching += began.elapsed();
    }

    /// Counts the time since `began` that the other stages did not take.
    fn count_decoding(&mut self, began: Instant, before: StageTimes) {
        let others = (self.times.fingerprint - before.fingerprint) + (self.times.matching - before.matching);
        self.times.decode += began.elapsed().saturating_sub(others);
    }
}

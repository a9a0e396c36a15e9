//! One stream's deliveries to events: all the work on its sound.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{DetectionId, TrackNumber};
use refrain_core::audio::SAMPLE_RATE;
use refrain_core::fingerprint::{Density, Fingerprinter, Peak, TICKS_PER_SECOND};
use refrain_core::index::{IndexError, Snapshot};
use refrain_core::matching::live::{LiveBuffers, LiveEvent, LiveEventKind, LiveMatcher, LiveSettings};
use refrain_stream::{Clock, Delivery, Ear, EarReport, EarSettings, Media, Sound};

use super::event::StreamEvent;
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
    airings: Vec<Known>,
    events: Vec<LiveEvent>,
}

/// An airing that goes on.
#[derive(Debug)]
struct Known {
    number: u64,
    id: DetectionId,
    track: TrackNumber,
    start: f64,
    /// Seconds since 1970 of the stream's start as they were when it was found: its events agree on its start.
    origin: f64,
}

/// Everything behind the ear.
struct Listener {
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
    events: &'a mut Vec<LiveEvent>,
}

impl StreamWorker {
    /// A worker at the start of the stream of this id.
    #[must_use]
    pub fn new(id: Arc<str>, ear: EarSettings, settings: LiveSettings) -> Self {
        let listener = Listener {
            fingerprinter: Fingerprinter::new(Density::Query),
            matcher: LiveMatcher::new(settings),
            base: 0,
            position: 0,
            peaks: Vec::new(),
            times: StageTimes::default(),
            error: None,
        };
        Self { id, ear: Ear::new(ear), listener, airings: Vec::new(), events: Vec::new() }
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
        let Self { ear, listener, events, .. } = self;
        let mut tools = Tools { snapshot, buffers, events };
        let (began, before) = (Instant::now(), listener.times);
        ear.hear(delivery, |sound| listener.hear(&sound, &mut tools));
        listener.count_decoding(began, before);
        self.tell(out);
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
        let Self { ear, listener, events, .. } = self;
        let mut tools = Tools { snapshot, buffers, events };
        let (began, before) = (Instant::now(), listener.times);
        ear.finish(|sound| listener.hear(&sound, &mut tools));
        listener.count_decoding(began, before);
        listener.finish(&mut tools);
        self.tell(out);
        self.listener.error.take().map_or(Ok(()), Err)
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
        let now = |airing: &Known| AiringNow {
            id: airing.id,
            track: airing.track,
            epoch: airing.origin + airing.start,
        };
        self.airings.iter().map(now).collect()
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

    fn tell(&mut self, out: &mut Vec<StreamEvent>) {
        for event in std::mem::take(&mut self.events) {
            let told = self.event(event);
            out.push(told);
        }
    }

    fn event(&mut self, event: LiveEvent) -> StreamEvent {
        let start = event.heard.query_start;
        let origin = || self.ear.clock().epoch(start).unwrap_or_default() - start;
        let at = self.airings.iter().position(|known| known.number == event.airing);
        let (id, origin) = match at.and_then(|at| self.airings.get_mut(at)) {
            Some(known) => {
                known.start = start;
                (known.id, known.origin)
            }
            None => {
                let (id, origin) = (DetectionId::fresh(), origin());
                let (number, track) = (event.airing, event.heard.track);
                self.airings.push(Known { number, id, track, start, origin });
                (id, origin)
            }
        };
        if event.kind == LiveEventKind::Final {
            self.airings.retain(|known| known.id != id);
        }
        StreamEvent {
            stream: Arc::clone(&self.id),
            kind: event.kind.into(),
            airing: id,
            epoch: origin + start,
            known_at: event.known_at,
            clock: self.ear.clock().source(),
            clock_offset: self.ear.clock().arrival_offset(),
            heard: event.heard,
        }
    }
}

impl Listener {
    fn hear(&mut self, sound: &Sound<'_>, tools: &mut Tools<'_>) {
        match sound.media {
            Media::Samples(samples) => self.push(samples, tools),
            Media::Gap { samples, .. } if samples <= LONGEST_SILENCE => self.be_silent(samples, tools),
            Media::Gap { samples, .. } => self.skip(samples, tools),
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
        let Tools { snapshot, buffers, events } = tools;
        let pushed = self.matcher.push(&self.peaks, tick(until), snapshot, buffers, events);
        self.peaks.clear();
        self.error = self.error.take().or(pushed.err());
        self.times.matching += began.elapsed();
    }

    fn finish(&mut self, tools: &mut Tools<'_>) {
        self.flush(tools);
        let began = Instant::now();
        let seconds = self.position as f64 / f64::from(SAMPLE_RATE);
        let rest = refrain_core::fingerprint::Constellation { seconds, peaks: Vec::new() };
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

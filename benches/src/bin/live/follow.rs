//! Processing of one stream by fingerprinter and matcher, with the time of each.

use std::fmt::{self, Display};
use std::time::Duration;

use refrain_benches::broadcast::time;
use refrain_benches::clock::thread_time;
use refrain_benches::music::BenchError;
use refrain_benches::score::ReportedAiring;
use refrain_core::fingerprint::{Density, Fingerprinter, Peak};
use refrain_core::index::Snapshot;
use refrain_core::matching::live::{EventKind, LiveBuffers, LiveEvent, LiveMatcher, LiveSettings};

/// Number of samples that are pushed at once: a quarter of a second, so that decisions are reported without much delay.
const CHUNK_SAMPLES: usize = 11_025;

/// Processor time, and the seconds of audio processed in it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProcessorCost {
    time: Duration,
    sound: f64,
}

impl ProcessorCost {
    fn add(&mut self, other: Self) {
        self.time += other.time;
        self.sound += other.sound;
    }
}

impl Display for ProcessorCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = 1000.0 * self.time.as_secs_f64() / self.sound.max(f64::MIN_POSITIVE);
        write!(f, "{each:6.3} ms per second of audio ({:.0} s)", self.sound)
    }
}

/// Processor time of the fingerprinter and of the matcher for a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProcessorCosts {
    fingerprint: ProcessorCost,
    /// Cost of the matcher while it tracks a song.
    tracking: ProcessorCost,
    /// Cost of the matcher during unknown audio.
    unknown: ProcessorCost,
    /// Cost of the matcher during silence.
    silent: ProcessorCost,
}

impl ProcessorCosts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.fingerprint.add(other.fingerprint);
        self.tracking.add(other.tracking);
        self.unknown.add(other.unknown);
        self.silent.add(other.silent);
    }
}

impl Display for ProcessorCosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "processor time\n  fingerprint     {}", self.fingerprint)?;
        writeln!(f, "  match, tracking {}", self.tracking)?;
        writeln!(f, "  match, unknown  {}", self.unknown)?;
        writeln!(f, "  match, silence  {}", self.silent)
    }
}

pub(crate) struct BenchFollower<'a> {
    snapshot: &'a Snapshot,
    fingerprinter: Fingerprinter,
    matcher: LiveMatcher,
    buffers: LiveBuffers,
    peaks: Vec<Peak>,
    events: Vec<LiveEvent>,
    pushed: usize,
    detected: Vec<(u64, ReportedAiring)>,
    costs: ProcessorCosts,
}

impl<'a> BenchFollower<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            fingerprinter: Fingerprinter::new(Density::Query),
            matcher: LiveMatcher::new(LiveSettings::default()),
            buffers: LiveBuffers::default(),
            peaks: Vec::new(),
            events: Vec::new(),
            pushed: 0,
            detected: Vec::new(),
            costs: ProcessorCosts::default(),
        }
    }

    /// Processes `sound`, the next samples of the stream (44.1 kHz).
    pub(crate) fn process(&mut self, sound: &[f32]) -> Result<(), BenchError> {
        for piece in sound.chunks(CHUNK_SAMPLES) {
            let seconds = time(piece.len());
            let begin = thread_time();
            self.fingerprinter.push(piece);
            self.peaks.clear();
            self.fingerprinter.take_ready(&mut self.peaks);
            let until = self.fingerprinter.ready_until();
            let pushed = thread_time();
            let (matcher, events) = (&mut self.matcher, &mut self.events);
            matcher.push(&self.peaks, until, self.snapshot, &mut self.buffers, events)?;
            let matched = thread_time();
            self.costs.fingerprint.add(ProcessorCost { time: pushed - begin, sound: seconds });
            let state = self.matcher.state();
            let cost = match (state.silent, state.unknown_since) {
                (true, _) => &mut self.costs.silent,
                (false, None) => &mut self.costs.tracking,
                (false, Some(_)) => &mut self.costs.unknown,
            };
            cost.add(ProcessorCost { time: matched - pushed, sound: seconds });
            self.pushed += piece.len();
            self.collect_events();
        }
        Ok(())
    }

    /// Ends the stream. Returns the reported airings and the processor time.
    pub(crate) fn finish(mut self) -> Result<(Vec<ReportedAiring>, ProcessorCosts), BenchError> {
        let rest = std::mem::replace(&mut self.fingerprinter, Fingerprinter::new(Density::Query)).finish();
        let matcher = std::mem::replace(&mut self.matcher, LiveMatcher::new(LiveSettings::default()));
        matcher.finish(&rest, self.snapshot, &mut self.buffers, &mut self.events)?;
        self.collect_events();
        Ok((self.detected.into_iter().map(|(_, detected)| detected).collect(), self.costs))
    }

    fn collect_events(&mut self) {
        for event in self.events.drain(..) {
            let span = (event.airing.detected.query_start, event.airing.detected.query_end);
            let ended = event.kind == EventKind::Final;
            match self.detected.iter_mut().find(|(airing, _)| *airing == event.airing.id) {
                Some((_, detected)) => (detected.span, detected.ended) = (span, ended),
                None => {
                    let (song, reported_at) =
                        (Some(event.airing.detected.track.0 as usize), time(self.pushed));
                    self.detected.push((event.airing.id, ReportedAiring { song, reported_at, span, ended }));
                }
            }
        }
    }
}

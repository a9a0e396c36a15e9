//! Processing of one stream by fingerprinter and matcher, with the time of each.

use std::fmt::{self, Display};
use std::time::Duration;

use refrain_benches::clock::thread_time;
use refrain_benches::music::Failure;
use refrain_benches::programme::time;
use refrain_benches::score::Heard;
use refrain_core::fingerprint::{Density, Fingerprinter, Peak};
use refrain_core::index::Snapshot;
use refrain_core::matching::live::{LiveBuffers, LiveEvent, LiveEventKind, LiveMatcher, LiveSettings};

/// Number of samples that are pushed at once: a quarter of a second, so that decisions are reported without much delay.
const PIECE: usize = 11_025;

/// Processor time, and the seconds of audio processed in it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    time: Duration,
    sound: f64,
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.time += other.time;
        self.sound += other.sound;
    }
}

impl Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = 1000.0 * self.time.as_secs_f64() / self.sound.max(f64::MIN_POSITIVE);
        write!(f, "{each:6.3} ms per second of audio ({:.0} s)", self.sound)
    }
}

/// Processor time of following a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Costs {
    fingerprint: Cost,
    /// Matcher while it tracks a song.
    locked: Cost,
    /// Matcher during unknown audio.
    unknown: Cost,
    /// Matcher during silence.
    silent: Cost,
}

impl Costs {
    pub(crate) fn add(&mut self, other: &Self) {
        self.fingerprint.add(other.fingerprint);
        self.locked.add(other.locked);
        self.unknown.add(other.unknown);
        self.silent.add(other.silent);
    }
}

impl Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "processor time\n  fingerprint     {}", self.fingerprint)?;
        writeln!(f, "  match, tracking {}", self.locked)?;
        writeln!(f, "  match, unknown  {}", self.unknown)?;
        writeln!(f, "  match, silence  {}", self.silent)
    }
}

pub(crate) struct Follower<'a> {
    snapshot: &'a Snapshot,
    fingerprinter: Fingerprinter,
    matcher: LiveMatcher,
    buffers: LiveBuffers,
    peaks: Vec<Peak>,
    events: Vec<LiveEvent>,
    pushed: usize,
    heard: Vec<(u64, Heard)>,
    costs: Costs,
}

impl<'a> Follower<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            fingerprinter: Fingerprinter::new(Density::Query),
            matcher: LiveMatcher::new(LiveSettings::default()),
            buffers: LiveBuffers::default(),
            peaks: Vec::new(),
            events: Vec::new(),
            pushed: 0,
            heard: Vec::new(),
            costs: Costs::default(),
        }
    }

    /// Processes the next audio.
    pub(crate) fn hear(&mut self, sound: &[f32]) -> Result<(), Failure> {
        for piece in sound.chunks(PIECE) {
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
            self.costs.fingerprint.add(Cost { time: pushed - begin, sound: seconds });
            let state = self.matcher.state();
            let cost = match (state.silent, state.unknown_since) {
                (true, _) => &mut self.costs.silent,
                (false, None) => &mut self.costs.locked,
                (false, Some(_)) => &mut self.costs.unknown,
            };
            cost.add(Cost { time: matched - pushed, sound: seconds });
            self.pushed += piece.len();
            self.note();
        }
        Ok(())
    }

    /// Ends the stream. Returns the reported airings and the processor time.
    pub(crate) fn finish(mut self) -> Result<(Vec<Heard>, Costs), Failure> {
        let rest = std::mem::replace(&mut self.fingerprinter, Fingerprinter::new(Density::Query)).finish();
        let matcher = std::mem::replace(&mut self.matcher, LiveMatcher::new(LiveSettings::default()));
        matcher.finish(&rest, self.snapshot, &mut self.buffers, &mut self.events)?;
        self.note();
        Ok((self.heard.into_iter().map(|(_, heard)| heard).collect(), self.costs))
    }

    fn note(&mut self) {
        for event in self.events.drain(..) {
            let stretch = (event.heard.query_start, event.heard.query_end);
            let ended = event.kind == LiveEventKind::Final;
            match self.heard.iter_mut().find(|(airing, _)| *airing == event.airing) {
                Some((_, heard)) => (heard.stretch, heard.ended) = (stretch, ended),
                None => {
                    let (song, told) = (Some(event.heard.track.0 as usize), time(self.pushed));
                    self.heard.push((event.airing, Heard { song, told, stretch, ended }));
                }
            }
        }
    }
}

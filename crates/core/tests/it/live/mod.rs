//! Events of streams and their times.

mod airings;
mod chunks;
mod edges;
mod no_event;
mod splices;
mod takeover;

use refrain_core::fingerprint::{Constellation, Density, Fingerprinter};
use refrain_core::index::{IndexError, Snapshot};
use refrain_core::matching::Match;
use refrain_core::matching::live::{EventKind, LiveBuffers, LiveEvent, LiveMatcher, LiveSettings};

use crate::songs::{RATE, format_match, song_catalog};

/// Number of samples per push: a quarter of a second.
const PUSH_SAMPLES: usize = 11_025;

/// An event, and the stream time in seconds that had been pushed when the event was emitted.
type EmittedEvent = (f64, LiveEvent);

/// A stream and the matcher that processes it.
struct Stream {
    fingerprinter: Fingerprinter,
    matcher: LiveMatcher,
    buffers: LiveBuffers,
    pushed: f64,
    emitted: Vec<EmittedEvent>,
}

impl Default for Stream {
    fn default() -> Self {
        Self::of(new_matcher())
    }
}

/// Creates a matcher that reports airings every 5 s.
fn new_matcher() -> LiveMatcher {
    LiveMatcher::new(LiveSettings { update_seconds: Some(5.0), ..LiveSettings::default() })
}

impl Stream {
    fn of(matcher: LiveMatcher) -> Self {
        Self {
            fingerprinter: Fingerprinter::new(Density::Query),
            matcher,
            buffers: LiveBuffers::default(),
            pushed: 0.0,
            emitted: Vec::new(),
        }
    }

    fn push(&mut self, snapshot: &Snapshot, samples: &[f32]) -> Result<(), IndexError> {
        let (mut peaks, mut events) = (Vec::new(), Vec::new());
        let mut result = Ok(());
        for piece in samples.chunks(PUSH_SAMPLES) {
            self.fingerprinter.push(piece);
            peaks.clear();
            self.fingerprinter.take_ready(&mut peaks);
            let until = self.fingerprinter.ready_until();
            let pushed = self.matcher.push(&peaks, until, snapshot, &mut self.buffers, &mut events);
            result = result.and(pushed);
            self.pushed += piece.len() as f64 / RATE;
            self.emitted.extend(events.drain(..).map(|event| (self.pushed, event)));
        }
        result
    }

    fn finish(mut self, snapshot: &Snapshot) -> Vec<EmittedEvent> {
        let rest = self.fingerprinter.finish();
        let mut events = Vec::new();
        self.matcher.finish(&rest, snapshot, &mut self.buffers, &mut events).unwrap();
        self.emitted.extend(events.into_iter().map(|event| (self.pushed, event)));
        self.emitted
    }

    /// Returns the events of a stream with known peaks, which are pushed in pieces that end at the times `cuts`
    /// (ticks).
    fn peaks(self, constellation: &Constellation, cuts: &[u32]) -> Vec<LiveEvent> {
        self.peaks_in(&song_catalog().snapshot, constellation, cuts)
    }

    fn peaks_in(
        mut self,
        snapshot: &Snapshot,
        constellation: &Constellation,
        cuts: &[u32],
    ) -> Vec<LiveEvent> {
        let (mut rest, mut events) = (constellation.clone(), Vec::new());
        let end = (rest.seconds * refrain_core::fingerprint::TICKS_PER_SECOND) as u32;
        for cut in cuts.iter().take_while(|cut| **cut < end) {
            let ready = rest.peaks.partition_point(|p| p.time < *cut);
            let peaks: Vec<_> = rest.peaks.drain(..ready).collect();
            self.matcher.push(&peaks, *cut, snapshot, &mut self.buffers, &mut events).unwrap();
        }
        self.matcher.finish(&rest, snapshot, &mut self.buffers, &mut events).unwrap();
        events
    }
}

/// Returns all events of a stream.
fn follow(samples: &[f32]) -> Vec<EmittedEvent> {
    let mut stream = Stream::default();
    stream.push(&song_catalog().snapshot, samples).unwrap();
    stream.finish(&song_catalog().snapshot)
}

fn of_kind(events: &[EmittedEvent], kind: EventKind) -> impl Iterator<Item = &EmittedEvent> {
    events.iter().filter(move |(_, event)| event.kind == kind)
}

/// Returns the `Final`s of a stream by start, after checking that each airing has one `Start` and then one `Final`.
fn finals(events: &[EmittedEvent]) -> Vec<&Match> {
    let airings = |kind| of_kind(events, kind).map(|(_, event)| event.airing.id).collect::<Vec<u64>>();
    let (started, mut ended) = (airings(EventKind::Start), airings(EventKind::Final));
    ended.sort_unstable();
    assert!(started.is_sorted_by(|a, b| a < b), "{}", format_matches(events));
    assert_eq!(started, ended, "{}", format_matches(events));
    for airing in started {
        let kinds: Vec<_> =
            events.iter().filter(|(_, e)| e.airing.id == airing).map(|(_, e)| e.kind).collect();
        let ends = (kinds.first(), kinds.last());
        assert_eq!(ends, (Some(&EventKind::Start), Some(&EventKind::Final)), "{}", format_matches(events));
    }
    let mut finals: Vec<&Match> =
        of_kind(events, EventKind::Final).map(|(_, e)| &e.airing.detected).collect();
    finals.sort_by(|a, b| a.query_start.total_cmp(&b.query_start));
    finals
}

/// Formats all events, one per line, for messages.
fn format_matches(events: &[EmittedEvent]) -> String {
    let line = |(pushed, e): &EmittedEvent| {
        format!(
            "\n{pushed:7.2} {:7.2} {:?} #{} {}",
            e.known_at,
            e.kind,
            e.airing.id,
            format_match(&e.airing.detected)
        )
    };
    events.iter().map(line).collect()
}

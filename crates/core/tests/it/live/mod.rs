//! Streams: what is told of them, and when.

mod airings;
mod chunks;
mod nothing;

use refrain_core::fingerprint::{Constellation, Density, Fingerprinter};
use refrain_core::index::Snapshot;
use refrain_core::matching::Match;
use refrain_core::matching::live::{LiveBuffers, LiveEvent, LiveEventKind, LiveMatcher, LiveSettings};

use crate::songs::{brief, library, query};

/// Samples of a segment: 2 s.
const SEGMENT: usize = 88_200;

/// All events of a stream, and for each the stream time, seconds, that had been pushed when it came.
pub(crate) fn follow(samples: &[f32]) -> Vec<(f64, LiveEvent)> {
    follow_in(&library().snapshot, samples)
}

pub(crate) fn follow_in(snapshot: &Snapshot, samples: &[f32]) -> Vec<(f64, LiveEvent)> {
    let mut matcher = LiveMatcher::new(LiveSettings::default());
    let mut buffers = LiveBuffers::default();
    let mut fingerprinter = Fingerprinter::new(Density::Query);
    let (mut events, mut told, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    let mut pushed = 0.0;
    for segment in samples.chunks(SEGMENT / 8) {
        fingerprinter.push(segment);
        peaks.clear();
        fingerprinter.take_ready(&mut peaks);
        matcher.push(&peaks, fingerprinter.ready_until(), snapshot, &mut buffers, &mut told).unwrap();
        pushed += segment.len() as f64 / 44_100.0;
        events.extend(told.drain(..).map(|event| (pushed, event)));
    }
    matcher.finish(&fingerprinter.finish(), snapshot, &mut buffers, &mut told).unwrap();
    events.extend(told.drain(..).map(|event| (pushed, event)));
    events
}

/// Events of a stream whose peaks are known, given to the matcher in pieces that end at these times (ticks).
pub(crate) fn follow_peaks(constellation: &Constellation, cuts: &[u32]) -> Vec<LiveEvent> {
    let mut matcher = LiveMatcher::new(LiveSettings { update_seconds: Some(5.0), ..LiveSettings::default() });
    let (mut buffers, mut events) = (LiveBuffers::default(), Vec::new());
    let mut rest = constellation.clone();
    for cut in cuts {
        let ready = rest.peaks.partition_point(|p| p.time < *cut);
        let peaks: Vec<_> = rest.peaks.drain(..ready).collect();
        matcher.push(&peaks, *cut, &library().snapshot, &mut buffers, &mut events).unwrap();
    }
    matcher.finish(&rest, &library().snapshot, &mut buffers, &mut events).unwrap();
    events
}

/// The `Final`s of a stream by start, after checking that each airing has one `Start`, before its one `Final`.
pub(crate) fn finals(events: &[(f64, LiveEvent)]) -> Vec<&Match> {
    let of = |kind| events.iter().filter(move |(_, event)| event.kind == kind).map(|(_, event)| event);
    let mut started: Vec<u64> = of(LiveEventKind::Start).map(|event| event.airing).collect();
    let mut ended: Vec<u64> = of(LiveEventKind::Final).map(|event| event.airing).collect();
    assert!(started.is_sorted_by(|a, b| a < b), "{}", table(events));
    ended.sort_unstable();
    started.sort_unstable();
    assert_eq!(started, ended, "{}", table(events));
    for airing in started {
        let kinds: Vec<_> = events.iter().filter(|(_, e)| e.airing == airing).map(|(_, e)| e.kind).collect();
        assert_eq!((kinds[0], kinds[kinds.len() - 1]), (LiveEventKind::Start, LiveEventKind::Final));
    }
    let mut finals: Vec<&Match> = of(LiveEventKind::Final).map(|event| &event.heard).collect();
    finals.sort_by(|a, b| a.query_start.total_cmp(&b.query_start));
    finals
}

/// All events in short, for messages.
pub(crate) fn table(events: &[(f64, LiveEvent)]) -> String {
    let line = |(pushed, e): &(f64, LiveEvent)| {
        format!("\n{pushed:7.2} {:7.2} {:?} #{} {}", e.known_at, e.kind, e.airing, brief(&e.heard))
    };
    events.iter().map(line).collect()
}

/// The peaks of a stream.
pub(crate) fn heard(samples: &[f32]) -> Constellation {
    query(samples)
}

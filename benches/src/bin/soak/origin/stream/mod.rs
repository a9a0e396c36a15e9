//! One stream of the origin: its encoder sessions and its active fault.

mod delivered;

use std::collections::BTreeSet;
use std::sync::Arc;

use refrain_benches::music::BenchError;
use refrain_testkit::origin::{DateStyle, Fault, LiveOptions, LiveStream, Origin, Times};
use serde_json::json;

use super::media::{Flavor, Media};
use super::served::ServedSegments;
use crate::kinds::{Effect, FaultKind, KINDS, Target};
use crate::records::JsonLines;
use crate::schedule::PlannedFault;

/// Number of segments in a playlist, as in IVS.
const WINDOW: usize = 14;
/// Target duration that packagers declare for segments of 2 s, although whole frames make them slightly longer.
const TARGET: &str = "2";
/// Length of a segment in seconds, for the length of the window.
const SEGMENT_SECONDS: f64 = 2.0;
/// Duration of the segment with an absurd EXTINF, in seconds, as in a public report.
const ABSURD_SECONDS: f64 = 47_727.86;
/// Number of repetitions of the programme for which a session marks the start.
const LOOPS: u64 = 50;

/// A run of the encoder: a playlist that starts with one segment of the repeated programme.
#[derive(Debug, Clone)]
struct Session {
    /// Time of the session's start, seconds since 1970.
    from: f64,
    /// Number of the first segment.
    first: u64,
    names: String,
    is_silent: bool,
    /// True if the client has the key, or needs none.
    has_key: bool,
    /// Numbers of the segments that are marked as missing.
    gaps: BTreeSet<u64>,
}

struct ActiveFault {
    kind: &'static FaultKind,
    to: f64,
    began: f64,
    requested_at: Option<f64>,
}

/// A stream that plays the programme without end.
pub(crate) struct PlayedStream {
    number: usize,
    flavor: Flavor,
    media: Arc<Media>,
    /// Time of the start of the programme, seconds since 1970.
    start: f64,
    live: LiveStream,
    sessions: Vec<Session>,
    served: ServedSegments,
    active: Option<ActiveFault>,
    blocked: Vec<(f64, f64)>,
}

impl PlayedStream {
    /// Starts a stream that is `head` seconds behind the start of the programme.
    pub(crate) fn new(number: usize, media: Arc<Media>, head: f64, origin: &Origin, now: f64) -> Self {
        let flavor = Flavor::of(number);
        let options = LiveOptions {
            window: WINDOW,
            target: Some(TARGET.to_owned()),
            dates: if flavor.has_dates { DateStyle::Zulu } else { DateStyle::Absent },
            key: flavor.is_encrypted.then_some([number as u8; 16]),
            low_latency: flavor.is_low_latency(),
            part_ranges: flavor.has_ranges,
            ..LiveOptions::default()
        };
        let live = LiveStream::manual(Vec::new(), 0, options.clone());
        let (start, sessions) = (now - head, Vec::new());
        let (served, active, blocked) = (ServedSegments::default(), None, Vec::new());
        let mut this = Self { number, flavor, media, start, live, sessions, served, active, blocked };
        let session = Session {
            from: now,
            first: 0,
            names: options.names.clone(),
            is_silent: false,
            has_key: !flavor.is_encrypted,
            gaps: BTreeSet::new(),
        };
        this.install(origin, session, options, now);
        this
    }

    /// Returns the time at which segment `number` starts, seconds since 1970.
    fn time_of(&self, number: u64) -> f64 {
        self.start + self.media.start_of(number)
    }

    /// Replaces the live stream by one that begins with the first segment of `session`.
    fn install(&mut self, origin: &Origin, mut session: Session, mut options: LiveOptions, now: f64) {
        let count = self.media.count();
        let first = session.first;
        let at = usize::try_from(first % count.max(1)).unwrap_or_default();
        options.epoch = self.time_of(first);
        options.names.clone_from(&session.names);
        options.part_names = session.names.replace("seg", "part");
        options.marks.clear();
        options.part_gaps.clear();
        for index in (1..=LOOPS).map(|round| round * count - at as u64) {
            options.marks.entry(index).or_default().discontinuity = true;
        }
        let media = &self.media;
        let (clips, parts) = match session.is_silent {
            true => (&media.silence.clips, &media.silence_parts),
            false => (&media.music.clips, &media.music_parts),
        };
        let head = (now - self.time_of(first)).max(0.0);
        self.live = LiveStream::real_time(rotated(clips, at), head, options)
            .init(media.music.init.clone())
            .parts(rotated(parts, at))
            .extension(media.extension);
        origin.live(&format!("/{}", self.number), &self.live);
        session.from = now;
        self.sessions.push(session);
    }

    /// Returns the number of the next segment that will be published.
    fn next(&self) -> u64 {
        self.sessions.last().map_or(0, |session| session.first) + self.live.published()
    }

    /// Restarts the encoder with segment `first`. `sequence` is its media sequence number; `None` continues the old ones.
    fn restart(&mut self, origin: &Origin, first: u64, sequence: Option<u64>, new_names: bool, now: f64) {
        let Some(mut session) = self.sessions.last().cloned() else { return };
        let mut options = self.live.options();
        options.first_sequence =
            sequence.unwrap_or(options.first_sequence + first.saturating_sub(session.first));
        if new_names {
            session.names = format!("seg{}-", self.sessions.len());
        }
        session.first = first;
        session.gaps.clear();
        self.install(origin, session, options, now);
    }

    fn path(&self, target: Target) -> String {
        let number = self.number;
        match target {
            Target::Playlist => format!("/{number}/index.m3u8"),
            Target::Media => format!("/{number}/*.{}", self.media.extension),
            Target::Key => format!("/{number}/key"),
        }
    }

    /// Starts a fault.
    pub(crate) fn begin(&mut self, origin: &Origin, planned: &PlannedFault, to: f64, now: f64) {
        let Some(kind) = KINDS.get(planned.kind) else { return };
        let path = self.path(kind.target);
        match kind.effect {
            Effect::Response(response) => {
                origin.fault(&path, response.fault(&origin.url("/unknown")), Times::Always);
            }
            Effect::Frozen | Effect::RestartLost => {
                let playlist = self.live.playlist().into_bytes();
                origin.fault(&path, Fault::Instead(playlist.into()), Times::Always);
            }
            Effect::RestartSequence => self.restart(origin, self.next(), Some(0), false, now),
            Effect::RestartNames => self.restart(origin, self.next(), None, true, now),
            Effect::RestartRepeat => {
                self.restart(origin, self.next().saturating_sub(2), Some(0), true, now);
            }
            Effect::Discontinuity | Effect::GapTags | Effect::AbsurdExtinf => {
                self.mark(kind.effect, to - now);
            }
            Effect::KeyDown => {
                origin.fault(&path, Fault::Status(503), Times::Always);
                self.change_key(origin, now);
            }
            Effect::Silence => self.set_silence(origin, true, now),
        }
        self.active = Some(ActiveFault { kind, to, began: now, requested_at: None });
    }

    /// Marks the segments that will be published in the next `seconds` seconds.
    fn mark(&mut self, effect: Effect, seconds: f64) {
        let from = self.live.published();
        let count =
            if effect == Effect::AbsurdExtinf { 1 } else { (seconds / SEGMENT_SECONDS).ceil() as u64 };
        let parts = self.media.music_parts.iter().map(Vec::len).max().unwrap_or_default();
        self.live.change(|options| {
            for index in from..from + count {
                let marks = options.marks.entry(index).or_default();
                match effect {
                    Effect::GapTags => {
                        marks.gap = true;
                        options.part_gaps.extend((0..parts).map(|part| (index, part)));
                    }
                    Effect::AbsurdExtinf => marks.declared_seconds = Some(ABSURD_SECONDS),
                    _ => marks.discontinuity = true,
                }
            }
        });
        if let Some(session) = self.sessions.last_mut().filter(|_| effect == Effect::GapTags) {
            session.gaps.extend(session.first + from..session.first + from + count);
        }
    }

    fn change_key(&mut self, origin: &Origin, now: f64) {
        let version = self.sessions.len();
        self.live.change(|options| {
            options.query = format!("?key={version}");
            options.key = options.key.map(|key| key.map(|byte| byte.wrapping_add(1)));
        });
        self.restart(origin, self.next(), None, true, now);
        if let Some(session) = self.sessions.last_mut() {
            session.has_key = false;
        }
    }

    fn set_silence(&mut self, origin: &Origin, is_silent: bool, now: f64) {
        if let Some(session) = self.sessions.last().cloned() {
            self.install(origin, Session { is_silent, ..session }, self.live.options(), now);
        }
    }

    /// Ends the active fault if its time has passed, or if `is_over` is true, and writes its record.
    pub(crate) fn end_due(
        &mut self,
        origin: &Origin,
        now: f64,
        is_over: bool,
        log: &mut JsonLines,
    ) -> Result<(), BenchError> {
        let Some(fault) = self.active.take_if(|fault| fault.to <= now || is_over) else { return Ok(()) };
        origin.heal(&self.path(fault.kind.target));
        match fault.kind.effect {
            Effect::RestartLost => self.restart(origin, self.next(), Some(0), true, now),
            Effect::Silence => self.set_silence(origin, false, now),
            _ => {}
        }
        self.blocked.push((fault.began, now));
        log.write(&json!({
            "stream": self.number, "kind": fault.kind.name, "from": fault.began, "to": now,
            "requested_at": fault.requested_at,
        }))
    }
}

/// Returns the items from index `at` on, followed by the items before it.
fn rotated<T: Clone>(items: &[T], at: usize) -> Vec<T> {
    let (before, after) = items.split_at(at.min(items.len()));
    after.iter().chain(before).cloned().collect()
}

//! Reads the records of a run.

use std::collections::BTreeMap;
use std::path::Path;

use refrain_benches::music::BenchError;
use serde_json::Value;

use super::airings::{Excerpt, Reported, StreamTruth};
use super::visible::Occurred;
use crate::kinds::KINDS;
use crate::records::{EVENTS, FAULTS, MEMORY, MISSING, PIECES, STATUS, STREAMS, integer, number, read, text};
use crate::signals::Signals;

/// Time for which a segment must be fetchable, so that a client must have fetched it, in seconds. Retries have pauses of
/// up to 5 s. At half this value, a client that retries correctly can miss segments; at twice this value, nearly the
/// whole time in the playlist is needed.
const FETCHABLE_SECONDS: f64 = 12.0;
/// Time after the joining in which excerpts are not compared, and time before the end, in seconds. A final event can
/// come 30 s after the end of an airing.
const UNJUDGED_SECONDS: (f64, f64) = (1.0, 40.0);

/// The records of a run. Times are in seconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct RecordedRun {
    /// Time of the first record of the monitor.
    pub(crate) began: f64,
    pub(crate) truths: BTreeMap<usize, StreamTruth>,
    pub(crate) formats: BTreeMap<usize, String>,
    pub(crate) faults: Vec<Occurred>,
    pub(crate) reported: BTreeMap<usize, Vec<Reported>>,
    pub(crate) statuses: BTreeMap<usize, Vec<(f64, Signals)>>,
    /// Streams that ended: number, time and state.
    pub(crate) ends: Vec<(usize, f64, String)>,
    pub(crate) memory: Vec<(f64, f64)>,
}

impl RecordedRun {
    pub(crate) fn read(folder: &Path) -> Result<Self, BenchError> {
        let mut this = Self::default();
        let memory = read(folder, MEMORY)?;
        this.memory = memory.iter().map(|line| (number(line, "at"), number(line, "bytes"))).collect();
        this.began = this.memory.first().map_or(0.0, |(at, _)| *at);
        this.faults = read(folder, FAULTS)?.iter().filter_map(fault).collect();
        this.reported = airings(&read(folder, EVENTS)?);
        for line in read(folder, STATUS)? {
            let (stream, at) = (integer(&line, "stream"), number(&line, "at"));
            let signals = Signals::from_json(&line);
            if line["is_over"] == Value::Bool(true) {
                let why = format!("{} {} {}", signals.state, signals.reason, signals.last_error);
                this.ends.push((stream, at, why));
            }
            this.statuses.entry(stream).or_default().push((at, signals));
        }
        let pieces = read(folder, PIECES)?;
        let missing = missing(&read(folder, MISSING)?);
        for line in read(folder, STREAMS)? {
            let stream = integer(&line, "stream");
            let own = missing.get(&stream).cloned().unwrap_or_default();
            this.formats.insert(stream, text(&line, "format").to_owned());
            this.truths.insert(stream, truth(&line, &pieces, own));
        }
        Ok(this)
    }

    /// Returns the length of the run in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.memory.last().map_or(0.0, |(at, _)| at - self.began)
    }

    /// Returns the last recorded status of a stream before a time, as text.
    pub(crate) fn status_text(&self, stream: usize, at: f64) -> String {
        let statuses = self.statuses.get(&stream).map_or(&[][..], Vec::as_slice);
        let last = statuses.partition_point(|(when, _)| *when <= at).checked_sub(1);
        last.and_then(|last| statuses.get(last)).map_or("no status".to_owned(), |(_, signals)| {
            format!("state {} {}, last error {:?}", signals.state, signals.reason, signals.last_error)
        })
    }
}

fn fault(line: &Value) -> Option<Occurred> {
    let kind = KINDS.iter().find(|kind| kind.name == text(line, "kind"))?;
    Some(Occurred {
        stream: integer(line, "stream"),
        kind,
        from: number(line, "from"),
        to: number(line, "to"),
        requested_at: line["requested_at"].as_f64(),
    })
}

/// Returns the airings of each stream: for each airing, its last event.
fn airings(events: &[Value]) -> BTreeMap<usize, Vec<Reported>> {
    let mut last: BTreeMap<(usize, &str), &Value> = BTreeMap::new();
    for event in events {
        last.insert((integer(event, "stream"), text(event, "id")), event);
    }
    let mut airings: BTreeMap<usize, Vec<Reported>> = BTreeMap::new();
    for ((stream, _), event) in last {
        airings.entry(stream).or_default().push(Reported {
            song: integer(event, "song"),
            start: number(event, "start"),
            end: number(event, "end"),
            offsets: (number(event, "offset_start"), number(event, "offset_end")),
        });
    }
    airings
}

/// Returns the periods without audio of each stream. A segment that was not delivered, although it could be fetched for
/// long enough, is not missing.
fn missing(lines: &[Value]) -> BTreeMap<usize, Vec<(f64, f64)>> {
    let mut periods: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
    for line in lines.iter().filter(|line| number(line, "fetchable") < FETCHABLE_SECONDS) {
        let own = periods.entry(integer(line, "stream")).or_default();
        let (from, to) = (number(line, "from"), number(line, "to"));
        match own.last_mut().filter(|last| from - last.1 < 0.1) {
            Some(last) => last.1 = to,
            None => own.push((from, to)),
        }
    }
    periods
}

/// Returns the truth about a stream: the excerpts of all repetitions of the programme in the time of the run.
fn truth(line: &Value, pieces: &[Value], missing: Vec<(f64, f64)>) -> StreamTruth {
    let (start, seconds) = (number(line, "start"), number(line, "seconds").max(1.0));
    let (joined, left) = (number(line, "joined"), number(line, "left"));
    let mut excerpts = Vec::new();
    let mut at = start;
    while at < left {
        for piece in pieces {
            let excerpt = Excerpt {
                song: integer(piece, "song"),
                start: at + number(piece, "start"),
                end: at + number(piece, "end"),
                offset: number(piece, "offset"),
                quiet: (number(piece, "quiet_start"), number(piece, "quiet_end")),
            };
            if excerpt.end > joined && excerpt.start < left {
                excerpts.push(excerpt);
            }
        }
        at += seconds;
    }
    let judged = (joined + UNJUDGED_SECONDS.0, left - UNJUDGED_SECONDS.1);
    StreamTruth { is_dated: line["dated"] == Value::Bool(true), excerpts, missing, judged }
}

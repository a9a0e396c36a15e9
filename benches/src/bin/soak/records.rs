//! Records of a run as files of JSON lines, which the processes write and the report reads.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use refrain_benches::music::BenchError;
use serde_json::Value;

/// Excerpts of the programme: number of the song, start, end, offset in the song, and silent parts at both ends.
pub(crate) const PIECES: &str = "pieces.jsonl";
/// Streams: start of the programme, length of the programme, first fetched audio.
pub(crate) const STREAMS: &str = "streams.jsonl";
/// Faults: stream, kind, start, end, and time of the first affected request.
pub(crate) const FAULTS: &str = "faults.jsonl";
/// Segments whose audio was not delivered: stream, start, end, and the time for which they could be fetched.
pub(crate) const MISSING: &str = "missing.jsonl";
/// Events of the monitor.
pub(crate) const EVENTS: &str = "events.jsonl";
/// Changes of the status of streams.
pub(crate) const STATUS: &str = "status.jsonl";
/// Memory of the monitor.
pub(crate) const MEMORY: &str = "memory.jsonl";

/// A writer of JSON lines. Each line is written at once, so that an interrupted run leaves complete lines.
pub(crate) struct JsonLines(File);

impl JsonLines {
    pub(crate) fn create(folder: &Path, name: &str) -> Result<Self, BenchError> {
        let path = folder.join(name);
        Ok(Self(File::create(&path).map_err(|error| format!("cannot create {}: {error}", path.display()))?))
    }

    pub(crate) fn write(&mut self, value: &Value) -> Result<(), BenchError> {
        self.0.write_all(format!("{value}\n").as_bytes())?;
        Ok(())
    }
}

/// Reads a file of JSON lines.
///
/// # Errors
/// Fails if the file cannot be read, or if a line is invalid.
pub(crate) fn read(folder: &Path, name: &str) -> Result<Vec<Value>, BenchError> {
    let path = folder.join(name);
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let lines = text.lines().map(serde_json::from_str);
    lines
        .collect::<Result<_, _>>()
        .map_err(|error| format!("invalid line in {}: {error}", path.display()).into())
}

/// Returns the number in the field `name`; 0 if the field is missing.
pub(crate) fn number(line: &Value, name: &str) -> f64 {
    line[name].as_f64().unwrap_or_default()
}

/// Returns the integer in the field `name`; 0 if the field is missing.
pub(crate) fn integer(line: &Value, name: &str) -> usize {
    line[name].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or_default()
}

/// Returns the text in the field `name`; an empty text if the field is missing.
pub(crate) fn text<'a>(line: &'a Value, name: &str) -> &'a str {
    line[name].as_str().unwrap_or_default()
}

/// Returns the time in seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

//! Response files of the `refrain` program, each with the time at which it appeared.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use refrain_benches::music::BenchError;
use serde_json::Value;

/// A response, with the time at which its file was first seen.
pub(crate) struct ResponseFile {
    file: std::ffi::OsString,
    pub(crate) at: Instant,
    /// `start`, `update` or `final`.
    pub(crate) event: String,
    /// Identity of the airing.
    pub(crate) airing: String,
    /// File name of the song.
    pub(crate) song: String,
    /// Start of the airing in seconds since 1970.
    pub(crate) time: f64,
    /// Length of the airing in seconds.
    pub(crate) seconds: f64,
}

/// Reads the response files of `folder` that are not in `seen`, and adds them to `seen`.
pub(crate) fn read_new_files(folder: &Path, seen: &mut Vec<ResponseFile>) -> Result<(), BenchError> {
    let known: HashSet<_> = seen.iter().map(|seen| seen.file.clone()).collect();
    let mut new = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_owned();
        let hidden = file.as_encoded_bytes().starts_with(b".");
        if !hidden && path.extension().is_some_and(|extension| extension == "json") && !known.contains(&file)
        {
            new.push(read(&path, file)?);
        }
    }
    // If one check finds both, the start must come before the final.
    new.sort_by(|a, b| b.event.cmp(&a.event));
    seen.extend(new);
    Ok(())
}

fn read(path: &Path, file: std::ffi::OsString) -> Result<ResponseFile, BenchError> {
    let at = Instant::now();
    let json: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let one = &json["matches"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let evidence = &one["evidence"];
    let reference = text(&evidence["reference"]);
    Ok(ResponseFile {
        file,
        at,
        event: text(&evidence["event"]),
        airing: text(&evidence["airing"]),
        song: reference.rsplit('/').next().unwrap_or_default().to_owned(),
        time: number(&one["matchTimeInUnknown"]),
        seconds: number(&one["matchDurationInUnknown"]),
    })
}

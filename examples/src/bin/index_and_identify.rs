//! Fingerprints a folder of songs, builds an index in memory, and identifies a file.
//!
//! Usage: `index_and_identify FOLDER FILE`. Dependency: `refrain-core`.

use std::error::Error;
use std::path::{Path, PathBuf};

use refrain_core::audio::{AudioReader, Limits, supported_extension};
use refrain_core::fingerprint::{Constellation, Density, Fingerprinter};
use refrain_core::index::{Snapshot, TrackNumber};
use refrain_core::matching::{MatchSettings, identify};

/// Decodes a file and returns its constellation.
fn fingerprint(path: &Path, density: Density) -> Result<Constellation, Box<dyn Error>> {
    let mut reader = AudioReader::open(path, &Limits::default())?;
    let mut fingerprinter = Fingerprinter::new(density);
    // Chunks keep the memory bounded for files of any length.
    while let Some(samples) = reader.next_chunk()? {
        fingerprinter.push(samples);
    }
    Ok(fingerprinter.finish())
}

#[expect(clippy::print_stdout, reason = "the output of the example")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(folder), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: index_and_identify FOLDER FILE".into());
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| supported_extension(&extension.to_string_lossy())) {
            paths.push(path);
        }
    }
    paths.sort();
    let mut tracks = Vec::new();
    // Track numbers start at 1.
    for (path, number) in paths.iter().zip(1..) {
        tracks.push((TrackNumber(number), fingerprint(path, Density::Reference)?));
    }
    let index = Snapshot::from_tracks(&tracks)?;
    let query = fingerprint(&file, Density::Query)?;
    let matches = identify(&index, &query, &MatchSettings::default())?;
    for found in &matches.found {
        let path = &paths[found.track.0 as usize - 1];
        println!(
            "{:.1} s to {:.1} s: {} from {:.1} s on, chance {:.1e}",
            found.query_start,
            found.query_end,
            path.display(),
            found.reference_start,
            found.false_positive_probability
        );
    }
    if matches.found.is_empty() {
        println!("no match");
    }
    Ok(())
}

//! Comparison of drawn constellations with those of audio.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use refrain_benches::statistics::{Statistics, survival};
use refrain_benches::synthetic::DrawnSong;
use refrain_core::audio::{AudioError, AudioReader, Limits, SAMPLE_RATE};
use refrain_core::fingerprint::{Density, Fingerprinter};
use refrain_testkit::effects::{Noise, add_noise, crop};

use crate::QUERY_SECONDS;

/// Number of drawn songs, and of composed songs if no files are given.
const SONGS: u64 = 24;
/// Length of each song or file in seconds.
const SONG_SECONDS: f64 = 60.0;

/// Decodes the first minute of a file.
fn read(path: &Path) -> Result<Vec<f32>, AudioError> {
    let (mut reader, mut samples) = (AudioReader::open(path, &Limits::default())?, Vec::new());
    while let Some(chunk) = reader.next_chunk()? {
        samples.extend_from_slice(chunk);
        if samples.len() as f64 > SONG_SECONDS * f64::from(SAMPLE_RATE) {
            break;
        }
    }
    Ok(samples)
}

/// Prints the statistics of drawn songs and of `files`, or of composed songs if `files` is empty, and the share of the
/// peaks of these files or composed songs that survive noise.
pub(crate) fn statistics(files: &[PathBuf]) -> Result<(), AudioError> {
    let songs = if files.is_empty() {
        (0..SONGS).into_par_iter().map(|seed| refrain_testkit::compose(seed, SONG_SECONDS).samples).collect()
    } else {
        files.par_iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?
    };
    for density in [Density::Reference, Density::Query] {
        let from_audio: Vec<_> =
            songs.par_iter().map(|song| Fingerprinter::fingerprint(density, song)).collect();
        let drawn: Vec<_> =
            (0..SONGS).map(|seed| DrawnSong::new(seed).constellation(SONG_SECONDS, density)).collect();
        println!(
            "{density:?}\n  audio {:.3?}\n  drawn {:.3?}",
            Statistics::of(&from_audio),
            Statistics::of(&drawn)
        );
    }
    for snr in [40.0, 10.0, 3.0, 0.0, -3.0] {
        let (mut rates, mut rises) = (0.0, 0.0);
        for (seed, song) in songs.iter().enumerate() {
            let reference = Fingerprinter::fingerprint(Density::Reference, song);
            let noisy = add_noise(&crop(song, 20.0, QUERY_SECONDS), Noise::Pink, snr, seed as u64);
            let (rate, rise) =
                survival(&reference, &Fingerprinter::fingerprint(Density::Query, &noisy), 20.0);
            (rates, rises) = (rates + rate, rises + rise);
        }
        let n = songs.len() as f64;
        println!("noise at {snr} dB: {:.2} of the peaks survive, {:.1} ranks down", rates / n, rises / n);
    }
    Ok(())
}

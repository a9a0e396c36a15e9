//! Writes songs of the composer as WAV files: `compose FOLDER SECONDS SEED…`.
//!
//! One line a song on standard output, tab-separated: file, seed, title, artist, seconds, tempo, key.

use std::error::Error;
use std::path::PathBuf;

use refrain_testkit::{RATE, WavEncoding, compose_stereo, write_wav_stereo};

#[allow(clippy::print_stdout, reason = "a program's results go to standard output")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: compose FOLDER SECONDS SEED…";
    let folder = PathBuf::from(arguments.next().ok_or(usage)?);
    let seconds: f64 = arguments.next().ok_or(usage)?.parse()?;
    std::fs::create_dir_all(&folder)?;
    for seed in arguments {
        let seed: u64 = seed.parse()?;
        let stereo = compose_stereo(seed, seconds);
        let song = &stereo.song;
        let file = format!("{seed}.wav");
        write_wav_stereo(folder.join(&file), &stereo.left, &stereo.right, RATE, WavEncoding::Int16)?;
        let seconds = song.seconds();
        println!(
            "{file}\t{seed}\t{}\t{}\t{seconds:.3}\t{:.1}\t{}",
            song.title, song.artist, song.tempo_bpm, song.key
        );
    }
    Ok(())
}

//! Writes songs of the composer as stereo WAV files: `compose FOLDER SEED:SECONDS…`.
//!
//! Prints one line per song, tab-separated: file, seed, seconds, title, artist, tempo, key.

use std::error::Error;
use std::path::PathBuf;

use refrain_testkit::{RATE, WavEncoding, compose_stereo, write_wav_stereo};

#[allow(clippy::print_stdout, reason = "a program's results go to standard output")]
fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: compose FOLDER SEED:SECONDS…";
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or(usage)?);
    std::fs::create_dir_all(&folder)?;
    for order in arguments {
        let (seed, seconds) = order.split_once(':').ok_or(usage)?;
        let (seed, seconds): (u64, f64) = (seed.parse()?, seconds.parse()?);
        let stereo = compose_stereo(seed, seconds);
        let song = &stereo.song;
        let file = format!("{seed}.wav");
        write_wav_stereo(folder.join(&file), &stereo.left, &stereo.right, RATE, WavEncoding::Int16)?;
        let (tempo, key) = (song.tempo_bpm, song.key);
        println!("{file}\t{seed}\t{seconds}\t{}\t{}\t{tempo:.0}\t{key}", song.title, song.artist);
    }
    Ok(())
}

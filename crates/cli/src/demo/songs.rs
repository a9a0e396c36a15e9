//! The songs that are embedded in the program, so that the demo needs no other files.

use std::path::Path;

use anyhow::{Context, Result};
use refrain_app::audio_file;
use refrain_core::audio::AudioReader;

macro_rules! songs {
    ($($name:literal),* $(,)?) => {
        /// File names and contents of the bundled songs.
        pub(super) const SONGS: &[(&str, &[u8])] =
            &[$(($name, include_bytes!(concat!("../../../../testdata/songs/", $name)))),*];
    };
}

songs![
    "01-salted-telephone.ogg",
    "02-goodbye-winter-ferry.ogg",
    "03-woven-avenue.ogg",
    "04-window-in-daylight.ogg",
    "05-sleepless-meadow.ogg",
    "06-ferry-in-miniature.ogg",
    "07-balcony-in-the-wings.ogg",
    "08-patient-corridor.ogg",
    "09-paper-typewriter.ogg",
    "10-marble-meridian.ogg",
    "11-weightless-bicycle.ogg",
    "12-broken-horizon.ogg",
];

/// A decoded song and its title.
#[derive(Debug)]
pub(super) struct DemoSong {
    pub(super) title: String,
    /// Samples, mono at 44.1 kHz.
    pub(super) samples: Vec<f32>,
}

/// Decodes the bundled songs from the files in `folder`.
pub(super) fn decode(folder: &Path) -> Result<Vec<DemoSong>> {
    SONGS
        .iter()
        .map(|(name, _)| decode_one(&folder.join(name)).with_context(|| format!("demo song {name}")))
        .collect()
}

fn decode_one(path: &Path) -> Result<DemoSong> {
    let mut reader = AudioReader::open(path, &audio_file::limits())?;
    let mut samples = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        samples.extend_from_slice(chunk);
    }
    // The tags are read after the last chunk, because they can be at the end of a file.
    let title = reader.tags().title.clone().context("the song has no title")?;
    Ok(DemoSong { title, samples })
}

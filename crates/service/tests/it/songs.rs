//! Two songs, an index of them, and the segments of a broadcast that plays them.

use std::sync::{Arc, OnceLock};

use refrain_catalog::TrackNumber;
use refrain_core::fingerprint::{Density, Fingerprinter};
use refrain_core::index::Snapshot;
use refrain_testkit::origin::{Clip, SegmentContainer, encode};
use refrain_testkit::{RATE, compose, write_wav};

/// Length of a song in seconds.
pub(crate) const SECONDS: f64 = 20.0;

/// Length of the silence before, between and after the songs, in seconds.
pub(crate) const SILENCE: f64 = 4.0;

/// Length of the broadcast in seconds.
pub(crate) const BROADCAST: f64 = 2.0 * SECONDS + 3.0 * SILENCE;

/// The data that the tests share.
pub(crate) struct Library {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Silence, the first song, silence, the second, silence.
    pub(crate) samples: Vec<f32>,
    /// The same audio in MPEG-TS segments of 2 s.
    pub(crate) clips: Arc<[Clip]>,
}

/// Returns the shared data. It is composed once per test run.
pub(crate) fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let songs = [1, 5].map(|seed| compose(seed, SECONDS).samples);
        let prints = songs.each_ref().map(|song| Fingerprinter::fingerprint(Density::Reference, song));
        let tracks: Vec<_> = (1..).map(TrackNumber).zip(prints).collect();
        let silence = vec![0.0; (SILENCE * f64::from(RATE)) as usize];
        let samples = [&silence, &songs[0], &silence, &songs[1], &silence].map(Vec::as_slice).concat();
        Library {
            snapshot: Arc::new(Snapshot::from_tracks(&tracks).unwrap()),
            clips: segments(&samples, 2.0).into(),
            samples,
        }
    })
}

/// Encodes samples as MPEG-TS segments of a length in seconds.
pub(crate) fn segments(samples: &[f32], seconds: f64) -> Vec<Clip> {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("x.wav");
    write_wav(&wav, samples, RATE).unwrap();
    encode(&wav, SegmentContainer::Ts, seconds).unwrap().clips
}

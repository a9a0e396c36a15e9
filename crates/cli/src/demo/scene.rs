//! The audio that the demo identifies: distorted clips and a mix.

use refrain_testkit::effects::{MixClip, Noise, add_babble, add_noise, crop, mix as mix_clips, phone, speed};
use refrain_testkit::{RATE, compose};

use super::songs::DemoSong;

/// Seed for generating a song that is not bundled, and so is not in the catalog.
const UNKNOWN_SEED: u64 = 4_040_404;

/// Audio to identify, and the songs that it contains.
#[derive(Debug)]
pub(super) struct Scene {
    /// Short description of the distortion, shown in the table.
    pub(super) how: &'static str,
    pub(super) samples: Vec<f32>,
    /// The songs in order of their start. Empty if the scene contains no song of the catalog.
    pub(super) played: Vec<Played>,
}

/// A part of a song that is played in a scene.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) title: String,
    /// Start of the played part in the scene, in seconds.
    pub(super) start: f64,
    /// Duration of the played part in the scene, in seconds.
    pub(super) seconds: f64,
    /// Position in the complete song at which the played part starts, in seconds.
    pub(super) in_song: f64,
    /// Playback speed: seconds of the song per second of the scene.
    pub(super) speed: f64,
}

impl Scene {
    /// Returns the duration of the scene in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(RATE)
    }

    fn clip(how: &'static str, song: &DemoSong, from: f64, factor: f64, samples: Vec<f32>) -> Self {
        let mut scene = Self { how, samples, played: Vec::new() };
        scene.played.push(Played {
            title: song.title.clone(),
            start: 0.0,
            seconds: scene.seconds(),
            in_song: from,
            speed: factor,
        });
        scene
    }
}

/// Returns the clips of the demo: one for each kind of distortion, and one of a song that is not in the catalog.
pub(super) fn clips(songs: &[DemoSong]) -> Vec<Scene> {
    let cut = |song: usize, from: f64, seconds: f64| crop(&songs[song].samples, from, seconds);
    vec![
        Scene::clip("as it is, 10 s", &songs[0], 12.0, 1.0, cut(0, 12.0, 10.0)),
        Scene::clip("only 3 s", &songs[1], 21.0, 1.0, cut(1, 21.0, 3.0)),
        Scene::clip(
            "pink noise at 5 dB",
            &songs[2],
            8.0,
            1.0,
            add_noise(&cut(2, 8.0, 10.0), Noise::Pink, 5.0, 1),
        ),
        Scene::clip("over a telephone", &songs[3], 15.0, 1.0, phone(&cut(3, 15.0, 10.0))),
        Scene::clip("under chatter at 0 dB", &songs[4], 10.0, 1.0, add_babble(&cut(4, 10.0, 12.0), 0.0, 2)),
        Scene::clip("1 % too fast", &songs[5], 5.0, 1.01, speed(&cut(5, 5.0, 12.0), 1.01)),
        Scene { how: "not in the catalog", samples: compose(UNKNOWN_SEED, 12.0).samples, played: Vec::new() },
    ]
}

/// Returns a mix with cross-fades: three songs, of which the first is played again at the end.
pub(super) fn mix(songs: &[DemoSong]) -> Scene {
    // Song 6 is played twice, which must give two airings.
    let order = [(6, 4.0, 25.0), (7, 10.0, 22.0), (8, 0.0, 28.0), (6, 2.0, 20.0)];
    let clips = order.map(|(song, from, seconds)| MixClip {
        samples: &songs[song % songs.len()].samples,
        from,
        seconds,
        fade: 3.0,
    });
    let mix = mix_clips(&clips);
    let played = mix.airings.iter().map(|airing| Played {
        title: songs[order[airing.clip].0 % songs.len()].title.clone(),
        start: airing.start,
        seconds: airing.seconds,
        in_song: airing.song_start,
        speed: 1.0,
    });
    Scene { how: "a mix", played: played.collect(), samples: mix.samples }
}

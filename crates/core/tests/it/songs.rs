//! Composed songs and a catalog of them, which are made once.

use std::sync::OnceLock;

use refrain_core::fingerprint::{Constellation, Density, Fingerprinter};
use refrain_core::index::{Snapshot, TrackNumber};
use refrain_core::matching::{Match, MatchSettings, Matches, identify};
use refrain_testkit::compose;
use refrain_testkit::effects::{Mix, MixClip, mix};

/// Number of songs in the catalog. Track numbers are indices into the songs.
pub(crate) const SONGS: usize = 32;
/// Samples per second.
pub(crate) const RATE: f64 = 44_100.0;
/// Seeds from here on are of songs that are in no catalog.
const UNKNOWN: u64 = 9_000;

/// The songs, their fingerprints and an index of them.
pub(crate) struct SongCatalog {
    pub(crate) songs: Vec<Vec<f32>>,
    pub(crate) tracks: Vec<(TrackNumber, Constellation)>,
    pub(crate) snapshot: Snapshot,
}

/// Returns the catalog, which contains songs of 20 to 35 s.
pub(crate) fn song_catalog() -> &'static SongCatalog {
    static LIBRARY: OnceLock<SongCatalog> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let song = |i: usize| compose(i as u64 + 1, 20.0 + (i * 7 % 16) as f64).samples;
        // Separate threads, because the threads of rayon may be waiting for this library.
        let songs: Vec<Vec<f32>> = std::thread::scope(|scope| {
            let (even, odd) = (0..SONGS).partition::<Vec<_>, _>(|i| i % 2 == 0);
            let odd = scope.spawn(|| odd.into_iter().map(song).collect::<Vec<_>>());
            let even: Vec<_> = even.into_iter().map(song).collect();
            even.into_iter().zip(odd.join().unwrap()).flat_map(|(even, odd)| [even, odd]).collect()
        });
        let number = |i: usize| TrackNumber(i as u32);
        let reference = |song: &Vec<f32>| Fingerprinter::fingerprint(Density::Reference, song);
        let tracks: Vec<_> = songs.iter().enumerate().map(|(i, song)| (number(i), reference(song))).collect();
        let build = || {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            pool.install(|| Snapshot::from_tracks(&tracks).unwrap())
        };
        let snapshot = std::thread::scope(|scope| scope.spawn(build).join().unwrap());
        SongCatalog { songs, tracks, snapshot }
    })
}

/// Returns a song that is in no catalog.
pub(crate) fn unknown(number: u64, seconds: f64) -> Vec<f32> {
    compose(UNKNOWN + number, seconds).samples
}

/// Returns a section of a song of the catalog.
pub(crate) fn clip(song: usize, from: f64, seconds: f64) -> MixClip<'static> {
    MixClip { samples: &song_catalog().songs[song], from, seconds, fade: 0.0 }
}

/// Returns a whole song of the catalog.
pub(crate) fn whole(song: usize) -> MixClip<'static> {
    clip(song, 0.0, length(song))
}

/// Returns the length of a song in seconds.
pub(crate) fn length(song: usize) -> f64 {
    song_catalog().songs[song].len() as f64 / RATE
}

/// Returns the query of these samples.
pub(crate) fn query(samples: &[f32]) -> Constellation {
    Fingerprinter::fingerprint(Density::Query, samples)
}

/// Returns the matches of these samples in the catalog.
pub(crate) fn find(samples: &[f32]) -> Matches {
    find_in(&song_catalog().snapshot, samples)
}

/// Returns the matches of these samples in a snapshot.
pub(crate) fn find_in(snapshot: &Snapshot, samples: &[f32]) -> Matches {
    identify(snapshot, &query(samples), &MatchSettings::default()).unwrap()
}

/// Returns the found matches in the order of the timeline.
pub(crate) fn rows(matches: &Matches) -> Vec<&Match> {
    let mut rows: Vec<&Match> = matches.found.iter().collect();
    rows.sort_by(|a, b| a.query_start.total_cmp(&b.query_start));
    rows
}

/// Formats a match in one line, for messages.
pub(crate) fn format_match(row: &Match) -> String {
    format!(
        "{:>3} {:8.3} - {:8.3} at {:7.3} x{:.4} {:.0e} {}/{}",
        row.track.0,
        row.query_start,
        row.query_end,
        row.reference_start,
        row.speed,
        row.false_positive_probability,
        row.matched_peaks,
        row.expected_peaks
    )
}

/// Formats all matches, one per line.
pub(crate) fn format_matches(matches: &Matches) -> String {
    rows(matches).into_iter().map(|row| format!("\n{}", format_match(row))).collect()
}

/// Mixes clips one after the other. Returns the mix and the numbers of their songs.
pub(crate) fn airings(clips: &[(usize, MixClip<'static>)]) -> (Mix, Vec<usize>) {
    let (songs, clips): (Vec<_>, Vec<_>) = clips.iter().copied().unzip();
    (mix(&clips), songs)
}

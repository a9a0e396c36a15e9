//! Properties of the index files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use refrain_core::fingerprint::{Constellation, Peak};
use refrain_core::index::{Cache, CacheState, IndexError, Snapshot, TrackNumber};
use refrain_core::matching::{Effort, MatchSettings, Matches, Ranges, identify};
use refrain_testkit::effects::crop;
use tempfile::TempDir;

use super::songs::{SONGS, find, query, song_catalog};

const CATALOG: u128 = 0x0123_4567_89ab_cdef;

fn open(folder: &Path) -> (Cache, CacheState) {
    Cache::open(&folder.join("songs"), CATALOG).unwrap()
}

/// Returns the query of a clip of a song of the catalog.
fn clip(song: usize) -> Constellation {
    query(&crop(&song_catalog().songs[song], 6.0, 5.0))
}

fn search(snapshot: &Snapshot, query: &Constellation) -> Result<Matches, IndexError> {
    identify(snapshot, query, &MatchSettings::default())
}

/// Returns true if the clip of a song is found.
fn finds(cache: &Cache, song: usize) -> bool {
    let matches = search(&cache.snapshot(), &clip(song)).unwrap();
    assert!(matches.found.iter().all(|row| row.track.0 as usize == song));
    !matches.found.is_empty()
}

/// Returns the names and contents of the files, without the lock.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let kept = entries.filter(|path| !name(path).ends_with(".lock"));
    kept.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

fn bytes(folder: &Path) -> usize {
    files(folder).values().map(Vec::len).sum()
}

/// Creates a cache of the first songs in a new folder.
fn filled(songs: usize) -> (TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let (mut cache, _) = open(folder.path());
    cache.apply(&song_catalog().tracks[..songs], &[], 7).unwrap();
    (folder, cache)
}

#[test]
fn applied_changes_are_visible_at_once_and_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (mut cache, state) = open(folder.path());
    assert_eq!((state, cache.position(), cache.snapshot().tracks()), (CacheState::Missing, 0, 0));
    cache.apply(&song_catalog().tracks[..4], &[], 5).unwrap();
    assert!(finds(&cache, 2) && !finds(&cache, 6));
    let before = cache.snapshot();
    cache.apply(&song_catalog().tracks[4..8], &[], 9).unwrap();
    assert!(finds(&cache, 2) && finds(&cache, 6));
    assert_eq!(before.tracks(), 4, "a snapshot does not change");
    let (again, state) = open(folder.path());
    assert_eq!((state, again.position(), again.snapshot().tracks()), (CacheState::Ready, 9, 8));
    for song in 0..8 {
        let query = clip(song);
        assert_eq!(search(&again.snapshot(), &query).unwrap(), search(&cache.snapshot(), &query).unwrap());
    }
}

#[test]
fn removed_tracks_are_hidden_at_once_and_deleted_by_a_merge() {
    let (folder, mut cache) = filled(16);
    let full = bytes(folder.path());
    cache.apply(&[], &[TrackNumber(3)], 8).unwrap();
    assert!(!finds(&cache, 3) && finds(&cache, 4));
    assert_eq!(cache.snapshot().tracks(), 15);
    let (again, _) = open(folder.path());
    assert!(!finds(&again, 3) && again.snapshot().tracks() == 15);
    let removed: Vec<_> = (0..12).map(TrackNumber).collect();
    cache.apply(&[], &removed, 9).unwrap();
    assert_eq!(cache.snapshot().tracks(), 4);
    assert!(bytes(folder.path()) < full / 2, "{} of {full}", bytes(folder.path()));
    assert!(!finds(&cache, 4) && finds(&cache, 13));
    // Removing an unknown track is not an error, and a track that is both added and removed is not written.
    cache.apply(&song_catalog().tracks[20..22], &[TrackNumber(20), TrackNumber(77)], 10).unwrap();
    assert!(!finds(&cache, 20) && finds(&cache, 21));
    assert_eq!((cache.position(), cache.snapshot().tracks()), (10, 5));
}

#[test]
fn many_small_changes_give_few_runs_with_the_same_results_as_one_build() {
    let folder = tempfile::tempdir().unwrap();
    let (mut cache, _) = open(folder.path());
    for (i, track) in song_catalog().tracks.iter().enumerate() {
        cache.apply(std::slice::from_ref(track), &[], i as u64 + 1).unwrap();
        let max_runs = 2 + (i + 1).ilog2() as usize;
        assert!(cache.snapshot().runs_count() <= max_runs, "{} runs", cache.snapshot().runs_count());
    }
    assert_eq!(files(folder.path()).len(), 1 + cache.snapshot().runs_count(), "no file is left over");
    let one_build = &song_catalog().snapshot;
    assert_eq!((cache.snapshot().tracks(), cache.snapshot().postings()), (SONGS, one_build.postings()));
    for song in 0..SONGS {
        let query = clip(song);
        let (one, many) = (search(one_build, &query).unwrap(), search(&cache.snapshot(), &query).unwrap());
        assert_eq!(one.found.len(), 1);
        assert_eq!(one, many, "results must be identical");
    }
}

#[test]
fn size_of_postings_and_of_an_hour_of_music_is_bounded() {
    let (folder, cache) = filled(SONGS);
    let hours = song_catalog().tracks.iter().map(|(_, c)| c.seconds).sum::<f64>() / 3600.0;
    let packed: usize = song_catalog().tracks.iter().map(|(_, c)| c.to_bytes().len()).sum();
    let total = bytes(folder.path());
    let bytes_per_posting = (total - packed) as f64 / cache.snapshot().postings() as f64;
    assert!(bytes_per_posting <= 5.0, "{bytes_per_posting} bytes a posting");
    // The catalog stores the constellations a second time.
    let bytes_per_hour = (total + packed) as f64 / hours;
    assert!(bytes_per_hour <= 1.8e6, "{bytes_per_hour} bytes an hour");
}

#[test]
fn files_of_another_catalog_are_discarded() {
    let (folder, cache) = filled(2);
    drop(cache);
    let (cache, state) = Cache::open(&folder.path().join("songs"), CATALOG + 1).unwrap();
    assert!(matches!(&state, CacheState::Discarded(why) if why.contains("another catalog")), "{state:?}");
    assert_eq!((cache.position(), cache.snapshot().tracks()), (0, 0));
    assert_eq!(open(folder.path()).1, CacheState::Missing);
}

#[test]
fn files_of_another_version_are_discarded() {
    let (folder, cache) = filled(2);
    drop(cache);
    let manifest = folder.path().join("songs-index");
    fs::write(&manifest, "refrain-index 99\nsomething else\n").unwrap();
    let (mut cache, state) = open(folder.path());
    assert!(matches!(state, CacheState::Discarded(_)), "{state:?}");
    cache.apply(&song_catalog().tracks[..3], &[], 4).unwrap();
    assert!(finds(&cache, 1));
    assert_eq!(open(folder.path()).1, CacheState::Ready);
}

#[test]
fn truncated_and_missing_files_are_discarded_and_rebuilt() {
    for keep in [None, Some(0), Some(1), Some(100), Some(127), Some(5000), Some(20_000)] {
        let (folder, cache) = filled(3);
        drop(cache);
        let run = files(folder.path()).into_keys().find(|name| name.contains("-run-")).unwrap();
        let path = folder.path().join(run);
        match keep {
            Some(keep) => fs::File::options().write(true).open(&path).unwrap().set_len(keep).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let (mut cache, state) = open(folder.path());
        assert!(matches!(state, CacheState::Discarded(_)), "{keep:?}: {state:?}");
        assert_eq!((cache.position(), cache.snapshot().tracks()), (0, 0));
        cache.apply(&song_catalog().tracks[..3], &[], 7).unwrap();
        assert!(finds(&cache, 1));
        assert_eq!(open(folder.path()).1, CacheState::Ready);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_changed_byte_is_detected_or_harmless(
        file: prop::sample::Index, place: prop::sample::Index, flip in 1u8..,
    ) {
        let (folder, cache) = filled(2);
        let query = clip(1);
        let right = search(&cache.snapshot(), &query).unwrap();
        drop(cache);
        let mut all: Vec<_> = files(folder.path()).into_iter().collect();
        let (name, bytes) = &mut all[file.index(2)];
        let at = place.index(bytes.len());
        bytes[at] ^= flip;
        fs::write(folder.path().join(name), bytes).unwrap();
        let (cache, state) = open(folder.path());
        match state {
            CacheState::Ready => match search(&cache.snapshot(), &query) {
                Ok(matches) => prop_assert_eq!(matches, right),
                Err(IndexError::Damaged { .. }) => {}
                Err(other) => prop_assert!(false, "{other}"),
            },
            CacheState::Discarded(why) => prop_assert!(why.contains("delete it"), "{why}"),
            CacheState::Missing => prop_assert!(false, "the files exist"),
        }
    }
}

#[test]
fn a_second_cache_adopts_the_changes_of_the_first() {
    let (folder, mut one) = filled(2);
    let (mut other, _) = open(folder.path());
    one.apply(&song_catalog().tracks[2..4], &[TrackNumber(0)], 8).unwrap();
    assert!(!finds(&other, 3) && finds(&other, 0), "it keeps the files that it has mapped");
    other.apply(&song_catalog().tracks[5..6], &[], 20).unwrap();
    assert_eq!(other.position(), 8, "its own changes are not applied");
    assert!(finds(&other, 3) && !finds(&other, 0) && !finds(&other, 5));
    other.apply(&song_catalog().tracks[5..6], &[], 20).unwrap();
    assert!(other.position() == 20 && finds(&other, 5));
}

#[test]
fn a_second_cache_starts_empty_after_the_first_has_discarded_the_files() {
    let (folder, mut one) = filled(2);
    let (mut other, _) = open(folder.path());
    one.discard();
    assert_eq!((one.position(), one.snapshot().tracks()), (0, 0));
    assert!(finds(&other, 1), "it keeps the files that it has mapped");
    other.apply(&song_catalog().tracks[2..3], &[], 8).unwrap();
    assert_eq!((other.position(), other.snapshot().tracks()), (0, 0));
    other.apply(&song_catalog().tracks[..3], &[], 8).unwrap();
    assert!(finds(&other, 1) && finds(&other, 2));
    // The files that the other one has built since are valid, so they are not deleted.
    one.discard();
    assert_eq!(one.position(), 8);
    let (again, state) = open(folder.path());
    assert_eq!((state, again.position()), (CacheState::Ready, 8));
}

#[test]
fn a_failed_write_does_not_change_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let (mut cache, state) = open(&folder.path().join("missing"));
    assert_eq!(state, CacheState::Missing);
    let error = cache.apply(&song_catalog().tracks[..1], &[], 3).unwrap_err();
    assert!(matches!(error, IndexError::Io { .. }) && error.to_string().contains("songs"), "{error}");
    assert_eq!((cache.position(), cache.snapshot().tracks()), (0, 0));
    // Folders have the names of the next run files.
    let (folder, mut cache) = filled(2);
    let before = files(folder.path());
    for number in 0..4 {
        let _ = fs::create_dir(folder.path().join(format!("songs-run-{number}.new")));
    }
    assert!(cache.apply(&song_catalog().tracks[2..4], &[], 9).is_err());
    assert!(cache.position() == 7 && finds(&cache, 1) && !finds(&cache, 2));
    for number in 0..4 {
        let _ = fs::remove_dir(folder.path().join(format!("songs-run-{number}.new")));
    }
    assert_eq!(files(folder.path()), before);
    cache.apply(&song_catalog().tracks[2..4], &[], 9).unwrap();
    assert!(finds(&cache, 2));
}

#[test]
fn a_snapshot_in_memory_gives_the_same_results_as_a_cache() {
    let (_folder, cache) = filled(SONGS);
    let samples = crop(&song_catalog().songs[17], 3.0, 8.0);
    assert_eq!(search(&cache.snapshot(), &query(&samples)).unwrap(), find(&samples));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_search_of_an_intact_index_succeeds_at_every_setting(
        mut peaks in prop::collection::vec((0u32..2000, 0u16..4096, 0u8..20), 0..400),
        (speed, tempo, pitch_cents) in (
            0f64..=Ranges::MAX_CHANGE,
            0f64..=Ranges::MAX_CHANGE,
            0f64..=Ranges::MAX_PITCH_CENTS,
        ),
        effort in prop::sample::select(vec![Effort::Fast, Effort::Normal, Effort::Thorough]),
    ) {
        peaks.sort_unstable();
        let peak = |(time, frequency, rank)| Peak { time, frequency, rank };
        let query = Constellation::new(12.0, peaks.into_iter().map(peak).collect());
        let ranges = Ranges { speed, tempo, pitch_cents };
        let settings = MatchSettings { effort, ranges, ..MatchSettings::default() };
        prop_assert!(identify(&song_catalog().snapshot, &query, &settings).is_ok());
    }
}

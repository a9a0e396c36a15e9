//! Tests of objects that are indexed.

use std::sync::{Arc, Mutex};

use refrain_catalog::{Catalog, MAX_DEATHS, ObjectVersion, Track, TrackNumber};
use refrain_core::fingerprint::{Constellation, Density, Fingerprinter};
use refrain_core::index::Snapshot;
use refrain_service::cloud::{ObjectName, Objects};
use refrain_service::files::Target;
use refrain_service::queue_consumer::Disposition;
use refrain_testkit::compose;
use tokio_util::sync::CancellationToken;

use super::{BucketTest, files_with, settings, wav};
use crate::process::until;
use crate::songs::{SECONDS, library};

async fn track(catalog: &dyn Catalog, key: &str) -> Option<Track> {
    catalog.find_by_source(&format!("s3://b/{key}")).await.unwrap()
}

fn song(seed: u64) -> Vec<u8> {
    wav(&compose(seed, SECONDS).samples)
}

#[tokio::test(flavor = "multi_thread")]
async fn song_is_indexed_once_and_replaced_under_its_name() {
    let fixture = BucketTest::new().await;
    let key = "Songs_To_Index/new song.wav";
    fixture.bucket.put(key, song(9));
    assert_eq!(fixture.created(key).await, Disposition::Ack);
    let first = track(&*fixture.catalog, key).await.unwrap();
    assert!((first.seconds - SECONDS).abs() < 0.1);
    assert_eq!(fixture.created(key).await, Disposition::Ack);
    assert_eq!(track(&*fixture.catalog, key).await.unwrap(), first);
    fixture.bucket.put(key, song(10));
    assert_eq!(fixture.created(key).await, Disposition::Ack);
    let second = track(&*fixture.catalog, key).await.unwrap();
    assert!(second.id == first.id && second.number != first.number && second.content != first.content);
    assert_eq!(fixture.counters.files_indexed.get(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_object_is_fetched_once_and_its_hash_is_that_of_all_bytes() {
    let fixture = BucketTest::new().await;
    let key = "songs_to_index/once.wav";
    // Decoders stop at the end of the samples, before the end of the file.
    let mut object = song(11);
    object.extend(vec![7; 300_000]);
    let (size, hash) = (object.len() as u64, blake3::hash(&object));
    fixture.bucket.put(key, object);
    assert_eq!(fixture.created(key).await, Disposition::Ack);
    let track = track(&*fixture.catalog, key).await.unwrap();
    assert_eq!(track.content.0, *hash.as_bytes());
    let read = fixture.bucket.bytes_read();
    // A jump to the tags at the end of the file, and the part that was fetched ahead before it.
    let jumps = 3 * (128 << 10);
    assert!(read < size + jumps, "{read} of {size}");
}

/// An index of the two songs of the tests, and of all tracks that were indexed when `refresh` was called.
#[derive(Clone)]
struct GrowingIndex(Arc<Mutex<Arc<Snapshot>>>);

impl GrowingIndex {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Arc::clone(&library().snapshot))))
    }

    async fn refresh(&self, catalog: &dyn Catalog) {
        let songs = [1, 5].map(|seed| compose(seed, SECONDS).samples);
        let prints = songs.each_ref().map(|song| Fingerprinter::fingerprint(Density::Reference, song));
        let mut tracks: Vec<_> = (1..).map(TrackNumber).zip(prints).collect();
        let pending = catalog.pending_comparisons(Some(TrackNumber(2)), 99).await.unwrap();
        for (number, packed) in catalog.constellations(&pending).await.unwrap() {
            tracks.push((number, Constellation::from_bytes(&packed).unwrap()));
        }
        tracks.sort_by_key(|(number, _)| *number);
        *self.0.lock().unwrap() = Arc::new(Snapshot::from_tracks(&tracks).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn near_duplicate_is_linked_after_a_restart() {
    let index = GrowingIndex::new();
    let shared = index.clone();
    let fixture = BucketTest::with(settings(), move || Arc::clone(&shared.0.lock().unwrap())).await;
    let key = "songs_to_index/copy.wav";
    fixture.bucket.put(key, song(1));
    assert_eq!(fixture.created(key).await, Disposition::Ack);
    let copy = track(&*fixture.catalog, key).await.unwrap();
    let pending = fixture.catalog.pending_comparisons(Some(TrackNumber(2)), 9).await.unwrap();
    assert_eq!(pending, [copy.number], "stored with the track");
    // The process is killed before the index contains the track. The next one finds the pending comparison.
    let BucketTest { _folder, catalog, bucket, counters, files } = fixture;
    drop(files);
    let shared = index.clone();
    let next = files_with(&catalog, &bucket, &counters, "next", settings(), move || {
        Arc::clone(&shared.0.lock().unwrap())
    });
    index.refresh(&*catalog).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(next.run(stop.clone()));
    until("the tracks are linked", async || !catalog.near_duplicates(copy.number).await.unwrap().is_empty())
        .await;
    let links = catalog.near_duplicates(copy.number).await.unwrap();
    assert_eq!(links.iter().map(|link| link.of.0).collect::<Vec<_>>(), [1]);
    assert!(catalog.pending_comparisons(Some(TrackNumber(2)), 9).await.unwrap().is_empty());
    stop.cancel();
    running.await.unwrap();
}

/// Records as many deaths of processes while they decode the object as are needed for its quarantine.
async fn record_deaths(fixture: &BucketTest, key: &str) {
    let facts = fixture.bucket.facts(&ObjectName { bucket: "b".into(), key: key.into() }).await.unwrap();
    let etag = facts.etag.unwrap_or_default();
    let version = format!("{etag} {} {}", facts.size, facts.modified_at.unwrap_or_default());
    let object = ObjectVersion { bucket: "b".into(), key: key.into(), version };
    for _ in 0..MAX_DEATHS {
        fixture.catalog.journal().begin_attempt(&object).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn object_that_kills_its_process_goes_to_the_dead_letters() {
    let fixture = BucketTest::new().await;
    for folder in ["songs_to_index", "songs_to_check"] {
        let key = format!("{folder}/poison.wav");
        fixture.bucket.put(&key, song(9));
        record_deaths(&fixture, &key).await;
        let handled = fixture.created(&key).await;
        assert!(
            matches!(&handled, Disposition::DeadLetter(why) if why.contains("quarantined")),
            "{handled:?}"
        );
        let report = if folder == "songs_to_index" {
            format!("{key}.failed.json")
        } else {
            format!("{folder}/poison.json")
        };
        assert!(fixture.bucket.text(&report).is_some_and(|text| text.contains("quarantined")), "{report}");
    }
    assert_eq!(track(&*fixture.catalog, "songs_to_index/poison.wav").await, None);
    let all = fixture.catalog.journal().open_attempts(MAX_DEATHS, 9).await.unwrap();
    assert_eq!(all.len(), 2);
    // A person processes the object by hand. This succeeds and removes its record.
    let target = Target::parse("s3://b/songs_to_index/poison.wav").unwrap();
    let objects = fixture.files.objects(&target).await.unwrap();
    fixture.files.index_all(objects, None, |done| assert!(done.result.is_ok(), "{done:?}")).await;
    assert_eq!(fixture.catalog.journal().open_attempts(1, 9).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn completed_work_leaves_no_attempts() {
    let fixture = BucketTest::new().await;
    for (key, body) in [("songs_to_index/a.wav", song(9)), ("songs_to_index/bad.mp3", b"no sound".repeat(99))]
    {
        fixture.bucket.put(key, body);
        fixture.created(key).await;
    }
    fixture.bucket.put("songs_to_check/a.wav", song(9));
    fixture.created("songs_to_check/a.wav").await;
    assert_eq!(fixture.catalog.journal().open_attempts(1, 9).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn object_that_cannot_be_indexed_gets_a_report_next_to_it() {
    let fixture = BucketTest::new().await;
    let key = "songs_to_index/x.mp3";
    fixture.bucket.put(key, b"this is text".repeat(99));
    assert!(matches!(fixture.created(key).await, Disposition::DeadLetter(_)));
    let report = fixture.bucket.json("songs_to_index/x.mp3.failed.json");
    assert_eq!(
        (report["statusCode"].as_u64(), report["file"].as_str()),
        (Some(2900), Some("s3://b/songs_to_index/x.mp3"))
    );
    assert_eq!(
        fixture.created("songs_to_index/x.mp3.failed.json").await,
        Disposition::Ack,
        "the report is not read as metadata"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_files_override_metadata_and_tags_of_the_object() {
    let fixture = BucketTest::new().await;
    let key = "songs_to_index/a.b.wav";
    fixture.bucket.put(key, song(9));
    fixture.bucket.describe(
        key,
        &[("title", "of metadata"), ("artist", "of metadata"), ("mtime", "7"), ("isrc", "wrong")],
        &[("title", "of tags"), ("album", "of tags"), ("cost-center", "9")],
    );
    fixture.bucket.put(
        "songs_to_index/a.b.json",
        "\u{feff}{\"title\":\"beside\",\"label\":\"L\",\"rule\":\"block\",\"territory\":\"DE\"}",
    );
    fixture.bucket.put("songs_to_index/a.b.wav.json", r#"{"label":"nearer"}"#);
    assert_eq!(fixture.created(key).await, Disposition::Ack);
    let track_row = track(&*fixture.catalog, key).await.unwrap();
    let metadata = &track_row.metadata;
    let known = [&metadata.title, &metadata.artist, &metadata.album, &metadata.label, &metadata.isrc];
    let known = known.map(|value| value.as_deref().unwrap_or_default());
    assert_eq!(known, ["beside", "of metadata", "of tags", "nearer", ""]);
    assert_eq!(metadata.extra.iter().collect::<Vec<_>>(), [(&"territory".to_owned(), &"DE".to_owned())]);
    assert_eq!(track_row.rule.unwrap().as_str(), "block");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_file_can_arrive_before_during_and_after_indexing() {
    let fixture = BucketTest::new().await;
    for (name, title) in [("before", "b"), ("after", "a"), ("meanwhile", "m")] {
        let (key, beside) = (format!("songs_to_index/{name}.wav"), format!("songs_to_index/{name}.json"));
        let text = format!(r#"{{"title":"{title}"}}"#);
        fixture.bucket.put(&key, song(9));
        if name == "before" {
            fixture.bucket.put(&beside, text.clone());
            assert_eq!(fixture.created(&beside).await, Disposition::Ack);
        } else if name == "meanwhile" {
            let (beside, text) = (beside.clone(), text.clone());
            fixture.bucket.after_reads(1, move |bucket| bucket.put(&beside, text));
        }
        assert_eq!(fixture.created(&key).await, Disposition::Ack);
        if name == "after" {
            assert_eq!(track(&*fixture.catalog, &key).await.unwrap().metadata.title, None);
            fixture.bucket.put(&beside, text);
            assert_eq!(fixture.created(&beside).await, Disposition::Ack);
        }
        assert_eq!(
            track(&*fixture.catalog, &key).await.unwrap().metadata.title.as_deref(),
            Some(title),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_metadata_and_invalid_songs_do_not_prevent_indexing() {
    let fixture = BucketTest::new().await;
    fixture.bucket.put("songs_to_index/a.wav", song(9));
    fixture.bucket.put("songs_to_index/a.json", "{title: oops");
    assert_eq!(fixture.created("songs_to_index/a.wav").await, Disposition::Ack);
    assert!(track(&*fixture.catalog, "songs_to_index/a.wav").await.is_some());
    for (name, body) in [
        ("page.mp3", b"<html></html>".repeat(99)),
        ("empty.wav", Vec::new()),
        ("silence.wav", wav(&vec![0.0; 88_200])),
    ] {
        let key = format!("songs_to_index/{name}");
        fixture.bucket.put(&key, body);
        assert!(
            matches!(fixture.created(&key).await, Disposition::DeadLetter(why) if why.contains(&key)),
            "{name}"
        );
        assert_eq!(track(&*fixture.catalog, &key).await, None);
    }
    assert_eq!(fixture.counters.files_failed.get(), 3);
    for key in [
        "songs_to_index/gone.wav",
        "songs_to_index/cover.jpg",
        "songs_to_index/folder/",
        "songs_to_index/x.json",
    ] {
        assert_eq!(fixture.created(key).await, Disposition::Ack, "{key}");
    }
    assert!(library().snapshot.tracks() == 2);
}

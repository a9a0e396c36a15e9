//! Tests of objects that are indexed.

use std::sync::{Arc, Mutex};

use refrain_catalog::{Catalog, MAX_DEATHS, ObjectVersion, Track, TrackNumber};
use refrain_core::fingerprint::{Constellation, Density, Fingerprinter};
use refrain_core::index::Snapshot;
use refrain_service::files::Target;
use refrain_service::intake::Handled;
use refrain_service::outside::{ObjectName, Objects};
use refrain_testkit::compose;
use tokio_util::sync::CancellationToken;

use super::{Shop, files_with, settings, wav};
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
    let shop = Shop::new().await;
    let key = "Songs_To_Index/new song.wav";
    shop.bucket.put(key, song(9));
    assert_eq!(shop.created(key).await, Handled::Done);
    let first = track(&*shop.catalog, key).await.unwrap();
    assert!((first.seconds - SECONDS).abs() < 0.1);
    assert_eq!(shop.created(key).await, Handled::Done);
    assert_eq!(track(&*shop.catalog, key).await.unwrap(), first);
    shop.bucket.put(key, song(10));
    assert_eq!(shop.created(key).await, Handled::Done);
    let second = track(&*shop.catalog, key).await.unwrap();
    assert!(second.id == first.id && second.number != first.number && second.content != first.content);
    assert_eq!(shop.measures.files_indexed.get(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_object_is_fetched_once_and_its_hash_is_that_of_all_bytes() {
    let shop = Shop::new().await;
    let key = "songs_to_index/once.wav";
    // Decoders stop at the end of the samples, before the end of the file.
    let mut object = song(11);
    object.extend(vec![7; 300_000]);
    let (size, hash) = (object.len() as u64, blake3::hash(&object));
    shop.bucket.put(key, object);
    assert_eq!(shop.created(key).await, Handled::Done);
    let track = track(&*shop.catalog, key).await.unwrap();
    assert_eq!(track.content.0, *hash.as_bytes());
    let read = shop.bucket.bytes_read();
    // A jump to the tags at the end of the file, and the part that was fetched ahead before it.
    let jumps = 3 * (128 << 10);
    assert!(read < size + jumps, "{read} of {size}");
}

/// An index of the two songs of the tests, and of all tracks that were indexed when `refresh` was called.
#[derive(Clone)]
struct Growing(Arc<Mutex<Arc<Snapshot>>>);

impl Growing {
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
    let index = Growing::new();
    let shared = index.clone();
    let shop = Shop::with(settings(), move || Arc::clone(&shared.0.lock().unwrap())).await;
    let key = "songs_to_index/copy.wav";
    shop.bucket.put(key, song(1));
    assert_eq!(shop.created(key).await, Handled::Done);
    let copy = track(&*shop.catalog, key).await.unwrap();
    let pending = shop.catalog.pending_comparisons(Some(TrackNumber(2)), 9).await.unwrap();
    assert_eq!(pending, [copy.number], "stored with the track");
    // The process is killed before the index contains the track. The next one finds the pending comparison.
    let Shop { _folder, catalog, bucket, measures, files } = shop;
    drop(files);
    let shared = index.clone();
    let next = files_with(&catalog, &bucket, &measures, "next", settings(), move || {
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
async fn deaths(shop: &Shop, key: &str) {
    let facts = shop.bucket.facts(&ObjectName { bucket: "b".into(), key: key.into() }).await.unwrap();
    let etag = facts.etag.unwrap_or_default();
    let version = format!("{etag} {} {}", facts.size, facts.modified_at.unwrap_or_default());
    let object = ObjectVersion { bucket: "b".into(), key: key.into(), version };
    for _ in 0..MAX_DEATHS {
        shop.catalog.journal().begin_attempt(&object).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn object_that_kills_its_process_goes_to_the_dead_letters() {
    let shop = Shop::new().await;
    for folder in ["songs_to_index", "songs_to_check"] {
        let key = format!("{folder}/poison.wav");
        shop.bucket.put(&key, song(9));
        deaths(&shop, &key).await;
        let handled = shop.created(&key).await;
        assert!(matches!(&handled, Handled::Bury(why) if why.contains("quarantined")), "{handled:?}");
        let report = if folder == "songs_to_index" {
            format!("{key}.failed.json")
        } else {
            format!("{folder}/poison.json")
        };
        assert!(shop.bucket.text(&report).is_some_and(|text| text.contains("quarantined")), "{report}");
    }
    assert_eq!(track(&*shop.catalog, "songs_to_index/poison.wav").await, None);
    let all = shop.catalog.journal().open_attempts(MAX_DEATHS, 9).await.unwrap();
    assert_eq!(all.len(), 2);
    // A person processes the object by hand. This succeeds and removes its record.
    let target = Target::parse("s3://b/songs_to_index/poison.wav").unwrap();
    let objects = shop.files.objects(&target).await.unwrap();
    shop.files.index_all(objects, None, |done| assert!(done.result.is_ok(), "{done:?}")).await;
    assert_eq!(shop.catalog.journal().open_attempts(1, 9).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn completed_work_leaves_no_attempts() {
    let shop = Shop::new().await;
    for (key, body) in [("songs_to_index/a.wav", song(9)), ("songs_to_index/bad.mp3", b"no sound".repeat(99))]
    {
        shop.bucket.put(key, body);
        shop.created(key).await;
    }
    shop.bucket.put("songs_to_check/a.wav", song(9));
    shop.created("songs_to_check/a.wav").await;
    assert_eq!(shop.catalog.journal().open_attempts(1, 9).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn object_that_cannot_be_indexed_gets_a_report_next_to_it() {
    let shop = Shop::new().await;
    let key = "songs_to_index/x.mp3";
    shop.bucket.put(key, b"this is text".repeat(99));
    assert!(matches!(shop.created(key).await, Handled::Bury(_)));
    let report = shop.bucket.json("songs_to_index/x.mp3.failed.json");
    assert_eq!(
        (report["statusCode"].as_u64(), report["file"].as_str()),
        (Some(2900), Some("s3://b/songs_to_index/x.mp3"))
    );
    assert_eq!(
        shop.created("songs_to_index/x.mp3.failed.json").await,
        Handled::Done,
        "the report is not read as metadata"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_files_override_metadata_and_tags_of_the_object() {
    let shop = Shop::new().await;
    let key = "songs_to_index/a.b.wav";
    shop.bucket.put(key, song(9));
    shop.bucket.describe(
        key,
        &[("title", "of metadata"), ("artist", "of metadata"), ("mtime", "7"), ("isrc", "wrong")],
        &[("title", "of tags"), ("album", "of tags"), ("cost-center", "9")],
    );
    shop.bucket.put(
        "songs_to_index/a.b.json",
        "\u{feff}{\"title\":\"beside\",\"label\":\"L\",\"rule\":\"block\",\"territory\":\"DE\"}",
    );
    shop.bucket.put("songs_to_index/a.b.wav.json", r#"{"label":"nearer"}"#);
    assert_eq!(shop.created(key).await, Handled::Done);
    let learnt = track(&*shop.catalog, key).await.unwrap();
    let metadata = &learnt.metadata;
    let known = [&metadata.title, &metadata.artist, &metadata.album, &metadata.label, &metadata.isrc];
    let known = known.map(|value| value.as_deref().unwrap_or_default());
    assert_eq!(known, ["beside", "of metadata", "of tags", "nearer", ""]);
    assert_eq!(metadata.extra.iter().collect::<Vec<_>>(), [(&"territory".to_owned(), &"DE".to_owned())]);
    assert_eq!(learnt.rule.unwrap().as_str(), "block");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_file_can_arrive_before_during_and_after_indexing() {
    let shop = Shop::new().await;
    for (name, title) in [("before", "b"), ("after", "a"), ("meanwhile", "m")] {
        let (key, beside) = (format!("songs_to_index/{name}.wav"), format!("songs_to_index/{name}.json"));
        let text = format!(r#"{{"title":"{title}"}}"#);
        shop.bucket.put(&key, song(9));
        if name == "before" {
            shop.bucket.put(&beside, text.clone());
            assert_eq!(shop.created(&beside).await, Handled::Done);
        } else if name == "meanwhile" {
            let (beside, text) = (beside.clone(), text.clone());
            shop.bucket.after_reads(1, move |bucket| bucket.put(&beside, text));
        }
        assert_eq!(shop.created(&key).await, Handled::Done);
        if name == "after" {
            assert_eq!(track(&*shop.catalog, &key).await.unwrap().metadata.title, None);
            shop.bucket.put(&beside, text);
            assert_eq!(shop.created(&beside).await, Handled::Done);
        }
        assert_eq!(
            track(&*shop.catalog, &key).await.unwrap().metadata.title.as_deref(),
            Some(title),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_metadata_and_invalid_songs_do_not_prevent_indexing() {
    let shop = Shop::new().await;
    shop.bucket.put("songs_to_index/a.wav", song(9));
    shop.bucket.put("songs_to_index/a.json", "{title: oops");
    assert_eq!(shop.created("songs_to_index/a.wav").await, Handled::Done);
    assert!(track(&*shop.catalog, "songs_to_index/a.wav").await.is_some());
    for (name, body) in [
        ("page.mp3", b"<html></html>".repeat(99)),
        ("empty.wav", Vec::new()),
        ("silence.wav", wav(&vec![0.0; 88_200])),
    ] {
        let key = format!("songs_to_index/{name}");
        shop.bucket.put(&key, body);
        assert!(matches!(shop.created(&key).await, Handled::Bury(why) if why.contains(&key)), "{name}");
        assert_eq!(track(&*shop.catalog, &key).await, None);
    }
    assert_eq!(shop.measures.files_failed.get(), 3);
    for key in [
        "songs_to_index/gone.wav",
        "songs_to_index/cover.jpg",
        "songs_to_index/folder/",
        "songs_to_index/x.json",
    ] {
        assert_eq!(shop.created(key).await, Handled::Done, "{key}");
    }
    assert!(library().snapshot.tracks() == 2);
}

//! Objects that are learnt.

use refrain_catalog::{Catalog, Track};
use refrain_service::intake::Handled;
use refrain_testkit::compose;

use super::{Shop, wav};
use crate::songs::{SECONDS, library};

async fn track(catalog: &dyn Catalog, key: &str) -> Option<Track> {
    catalog.find_by_source(&format!("s3://b/{key}")).await.unwrap()
}

fn song(seed: u64) -> Vec<u8> {
    wav(&compose(seed, SECONDS).samples)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_song_is_learnt_once_and_replaced_under_its_name() {
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
    // The same sound under another name is kept, and linked.
    let copy = "songs_to_index/copy.wav";
    shop.bucket.put(copy, song(1));
    assert_eq!(shop.created(copy).await, Handled::Done);
    let copy = track(&*shop.catalog, copy).await.unwrap();
    let links = shop.catalog.near_duplicates(copy.number).await.unwrap();
    assert_eq!(links.iter().map(|link| link.of.0).collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_beside_a_song_goes_over_what_it_says_itself() {
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
async fn a_file_with_metadata_may_come_before_meanwhile_and_after() {
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
async fn metadata_that_is_wrong_keeps_no_song_out_and_no_song_keeps_others() {
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

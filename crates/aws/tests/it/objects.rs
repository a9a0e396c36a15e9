//! Tests of the S3 client with moto.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{Tag, Tagging};
use bytes::Bytes;
use refrain_aws::S3Objects;
use refrain_service::cloud::{CloudErrorKind, ObjectName, Objects, Put};

use crate::setup::{aws, new_bucket, s3};

/// Keys with spaces, Unicode and characters that have to be percent-encoded.
const ODD_KEYS: [&str; 5] = [
    "songs to check/one song.mp3",
    "songs_to_check/Ünï cödé/日本語 ♥.flac",
    "a+b/c%20d%2Fe.mp3",
    "what?#&=;:@$,'()[]{}~^|<>\"!*.mp3",
    "./dots/../and//slashes.mp3",
];

fn name(bucket: &str, key: &str) -> ObjectName {
    ObjectName { bucket: bucket.to_owned(), key: key.to_owned() }
}

async fn bucket(name: &str) -> S3Objects {
    new_bucket(name).await;
    aws().await.objects()
}

#[tokio::test]
async fn facts_match_the_written_object() {
    let objects = bucket("facts").await;
    let song = name("facts", "songs_to_index/song.mp3");
    let call = s3().await.put_object().bucket(&song.bucket).key(&song.key).content_type("audio/mpeg");
    let call = call.metadata("Title", "A Song").metadata("isrc", "USZZ00000001");
    let etag = call.body(Bytes::from_static(b"12345").into()).send().await.unwrap().e_tag;
    let facts = objects.facts(&song).await.unwrap();
    assert_eq!((facts.size, facts.etag), (5, etag));
    assert_eq!(facts.content_type.as_deref(), Some("audio/mpeg"));
    let metadata = [("isrc", "USZZ00000001"), ("title", "A Song")];
    assert_eq!(facts.metadata, metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert!(facts.modified_at.unwrap() > 1_700_000_000_000);
}

#[tokio::test]
async fn errors_name_missing_objects_and_buckets() {
    let objects = bucket("missing").await;
    let song = name("missing", "no song.mp3");
    let missing_bucket = name("no-such-bucket", "song.mp3");
    let body = Bytes::from_static(b"{}");
    for (error, expected) in [
        (objects.facts(&song).await.unwrap_err(), "s3://missing/no song.mp3"),
        (objects.read(&song, 0..5, None).await.unwrap_err(), "s3://missing/no song.mp3"),
        (objects.tags(&song).await.unwrap_err(), "s3://missing/no song.mp3"),
        (objects.facts(&missing_bucket).await.unwrap_err(), "s3://no-such-bucket/song.mp3"),
        (objects.read(&missing_bucket, 0..5, None).await.unwrap_err(), "s3://no-such-bucket/song.mp3"),
        (
            objects.write(&missing_bucket, body, "text/plain", Put::New).await.unwrap_err(),
            "s3://no-such-bucket/",
        ),
        (objects.list("no-such-bucket", "songs", None).await.unwrap_err(), "s3://no-such-bucket/songs"),
        (objects.check_bucket("no-such-bucket").await.unwrap_err(), "bucket no-such-bucket"),
    ] {
        assert_eq!(error.kind(), CloudErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    objects.check_bucket("missing").await.unwrap();
}

#[tokio::test]
async fn range_reads_match_those_of_a_file() {
    let objects = bucket("parts").await;
    let song = name("parts", "song.wav");
    let sound: Vec<u8> = (0..=255).cycle().take(1000).collect();
    objects.write(&song, sound.clone().into(), "audio/wav", Put::New).await.unwrap();
    let ends = [0, 1, 2, 499, 500, 998, 999, 1000, 1001, 5000];
    for start in ends {
        for end in ends {
            let part = objects.read(&song, start..end, None).await.unwrap();
            let (from, to) = (start.min(1000) as usize, end.min(1000) as usize);
            assert_eq!(part, sound[from..to.max(from)], "{start}..{end}");
        }
    }
    let nothing = name("parts", "nothing.wav");
    objects.write(&nothing, Bytes::new(), "audio/wav", Put::New).await.unwrap();
    assert_eq!(objects.read(&nothing, 0..100, None).await.unwrap(), Bytes::new());
}

#[tokio::test]
async fn changed_objects_fail_the_next_read() {
    let objects = bucket("changed").await;
    let song = name("changed", "song.mp3");
    objects.write(&song, "before".into(), "audio/mpeg", Put::Replace).await.unwrap();
    let etag = objects.facts(&song).await.unwrap().etag.unwrap();
    assert_eq!(objects.read(&song, 0..3, Some(&etag)).await.unwrap(), "bef");
    objects.write(&song, "after".into(), "audio/mpeg", Put::Replace).await.unwrap();
    let error = objects.read(&song, 3..6, Some(&etag)).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Conflict, "{error}");
    assert!(error.to_string().contains("s3://changed/song.mp3"), "{error}");
    assert_eq!(objects.read(&song, 0..9, None).await.unwrap(), "after");
}

#[tokio::test]
async fn new_objects_do_not_replace_existing_ones() {
    let objects = bucket("new").await;
    let result = name("new", "st-1/result.json");
    objects.write(&result, "{\"a\":1}".into(), "application/json", Put::New).await.unwrap();
    let error = objects.write(&result, "{\"a\":2}".into(), "application/json", Put::New).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Conflict, "{error}");
    assert!(!error.is_transient());
    assert_eq!(objects.read(&result, 0..99, None).await.unwrap(), "{\"a\":1}");
    assert_eq!(objects.facts(&result).await.unwrap().content_type.as_deref(), Some("application/json"));
    objects.write(&result, "{\"a\":3}".into(), "application/json", Put::Replace).await.unwrap();
    assert_eq!(objects.read(&result, 0..99, None).await.unwrap(), "{\"a\":3}");
}

#[tokio::test]
async fn keys_with_special_characters_are_written_read_tagged_and_listed() {
    let objects = bucket("odd").await;
    for key in ODD_KEYS {
        let song = name("odd", key);
        objects.write(&song, key.into(), "audio/mpeg", Put::New).await.unwrap();
        assert_eq!(objects.facts(&song).await.unwrap().size, key.len() as u64, "{key}");
        assert_eq!(objects.read(&song, 0..999, None).await.unwrap(), key);
        let tag = Tag::builder().key("Title of it").value("A+B = C").build().unwrap();
        let tags = Tagging::builder().tag_set(tag).build().unwrap();
        assert_eq!(objects.tags(&song).await.unwrap(), BTreeMap::new());
        s3().await.put_object_tagging().bucket("odd").key(key).tagging(tags).send().await.unwrap();
        let tags = objects.tags(&song).await.unwrap();
        assert_eq!(tags, [("Title of it".to_owned(), "A+B = C".to_owned())].into());
    }
    let mut keys = ODD_KEYS.map(str::to_owned);
    keys.sort();
    let listed = objects.list("odd", "", None).await.unwrap();
    assert_eq!(listed.into_iter().map(|object| object.key).collect::<Vec<_>>(), keys);
    for key in ODD_KEYS {
        assert_eq!(objects.list("odd", key, None).await.unwrap()[0].key, key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_are_returned_in_pages() {
    let objects = bucket("pages").await;
    let all: Vec<String> = (0..1005).map(|number| format!("songs_to_check/{number:04}.mp3")).collect();
    for batch in all.chunks(67) {
        let mut writes = tokio::task::JoinSet::new();
        for key in batch {
            let (objects, song) = (objects.clone(), name("pages", key));
            writes.spawn(async move { objects.write(&song, "x".into(), "audio/mpeg", Put::Replace).await });
        }
        while let Some(written) = writes.join_next().await {
            written.unwrap().unwrap();
        }
    }
    objects.write(&name("pages", "songs_to_index/a.mp3"), "x".into(), "", Put::New).await.unwrap();
    let (mut listed, mut pages) = (Vec::<String>::new(), 0);
    loop {
        let page = objects.list("pages", "songs_to_check/", listed.last().map(String::as_str)).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.iter().all(|object| object.size == 1 && object.modified_at.is_some()));
        listed.extend(page.into_iter().map(|object| object.key));
        pages += 1;
    }
    assert_eq!((listed, pages), (all, 2));
}

#[tokio::test]
async fn deleting_is_final_and_succeeds_for_missing_objects() {
    let objects = bucket("deleted").await;
    let song = name("deleted", "song.wav");
    objects.write(&song, Bytes::from_static(b"12345"), "audio/wav", Put::New).await.unwrap();
    for _ in 0..2 {
        objects.delete(&song).await.unwrap();
        assert_eq!(objects.facts(&song).await.unwrap_err().kind(), CloudErrorKind::NotFound);
    }
}

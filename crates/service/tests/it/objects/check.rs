//! Tests of objects that are identified, and of their reports.

use std::path::Path;
use std::time::Duration;

use refrain_catalog::DetectionSource;
use refrain_core::audio::{AudioReader, Limits};
use refrain_service::cloud::CloudErrorKind;
use refrain_service::queue_consumer::Disposition;
use refrain_service::settings::FilesSettings;
use serde_json::{Value, json};

use super::{BucketTest, created, settings, wav};
use crate::process::outbox;
use crate::songs::{SECONDS, SILENCE, library};

async fn detections(fixture: &BucketTest, key: &str) -> usize {
    let detected_in = DetectionSource::File(format!("s3://b/{key}"));
    fixture
        .catalog
        .journal()
        .detections_between(&detected_in, i64::MIN, i64::MAX, None, 100)
        .await
        .unwrap()
        .len()
}

/// Returns the payloads of the sink for responses in the outbox.
async fn response_payloads(fixture: &BucketTest) -> Vec<String> {
    let all = outbox(&fixture.catalog).await.into_iter();
    all.filter(|delivery| delivery.sink == "all").map(|delivery| delivery.payload).collect()
}

fn near(value: &Value, wanted: f64) -> bool {
    (value.as_f64().unwrap() - wanted).abs() < 0.6
}

#[tokio::test(flavor = "multi_thread")]
async fn report_contains_the_response_and_the_fields_of_the_sample() {
    let fixture = BucketTest::new().await;
    fixture.bucket.put("songs_to_check/a/my mix.wav", wav(&library().samples));
    assert_eq!(fixture.created("songs_to_check/a/my mix.wav").await, Disposition::Ack);
    let report = fixture.bucket.json("songs_to_check/a/my mix.json");
    assert_eq!((&report["statusCode"], &report["unknownAssetID"]), (&json!(2006), &json!("my mix")));
    assert!(near(&report["unknownMediaFileDuration"], 2.0 * SECONDS + 3.0 * SILENCE), "{report}");
    let mut matches = report["matches"].as_array().unwrap().clone();
    matches.sort_by(|a, b| {
        a["matchTimeInUnknown"].as_f64().unwrap().total_cmp(&b["matchTimeInUnknown"].as_f64().unwrap())
    });
    assert_eq!(matches.len(), 2, "{report}");
    assert!(near(&matches[0]["matchTimeInUnknown"], SILENCE), "{report}");
    let best = matches.iter().max_by_key(|m| m["evidence"]["matchedPeaks"].as_u64()).unwrap();
    assert_eq!(
        (&report["song"], &report["score"]),
        (&best["metadata"]["Title"], &best["evidence"]["matchedPeaks"])
    );
    assert_eq!(report["file"], "s3://b/songs_to_check/a/my mix.wav");
    assert_eq!(detections(&fixture, "songs_to_check/a/my mix.wav").await, 2);
    let deliveries = response_payloads(&fixture).await;
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    assert!(deliveries[0].contains("2006"), "{deliveries:?}");
    assert_eq!((fixture.counters.files_checked.get(), fixture.counters.airings.get()), (1, 2));
    // The report itself is not identified.
    assert_eq!(fixture.created("songs_to_check/a/my mix.json").await, Disposition::Ack);
    assert_eq!(fixture.bucket.text("songs_to_check/a/my mix.json.json"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_or_late_event_writes_one_report_on_the_newest_content() {
    let fixture = BucketTest::new().await;
    let (key, report) = ("songs_to_check/x.wav", "songs_to_check/x.json");
    fixture.bucket.put(key, wav(&library().samples));
    let (body, handler) = (created(key), fixture.files.handler());
    let both = tokio::join!(handler.handle(&body), handler.handle(&body));
    assert_eq!(both, (Disposition::Ack, Disposition::Ack));
    assert_eq!(handler.handle(&body).await, Disposition::Ack);
    assert_eq!((fixture.bucket.writes(report), detections(&fixture, key).await), (1, 2));
    assert_eq!(response_payloads(&fixture).await.len(), 1);
    // New content, for which two events arrive; the older one arrives last.
    fixture.bucket.put(key, wav(&vec![0.0; 44_100]));
    assert_eq!(handler.handle(&body).await, Disposition::Ack);
    assert_eq!(handler.handle(&body).await, Disposition::Ack);
    let newest = fixture.bucket.json(report);
    assert_eq!((fixture.bucket.writes(report), &newest["statusCode"]), (2, &json!(2005)));
    assert_eq!((&newest["song"], &newest["score"]), (&Value::Null, &json!(0)));
    assert_eq!(response_payloads(&fixture).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_is_read_as_from_disk_and_other_files_have_a_reason() {
    let fixture = BucketTest::new().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/audio");
    let mut decodable = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".csv") {
            continue;
        }
        // Each file has a folder of its own, because some names differ in the extension only.
        let folder = format!("songs_to_check/{name}");
        fixture.bucket.put(&format!("{folder}/x.bin"), std::fs::read(&path).unwrap());
        assert_eq!(fixture.created(&format!("{folder}/x.bin")).await, Disposition::Ack, "{name}");
        let report = fixture.bucket.json(&format!("{folder}/x.json"));
        let decoded = AudioReader::open(&path, &Limits::default()).and_then(|mut reader| {
            while reader.next_chunk()?.is_some() {}
            Ok(reader.report().clone())
        });
        match decoded {
            Ok(decoded) => {
                decodable += 1;
                let seconds =
                    report["unknownMediaFileDuration"].as_f64().unwrap_or_else(|| panic!("{name}: {report}"));
                assert!(
                    (seconds - decoded.seconds).abs() < 0.001,
                    "{name}: {seconds} of {}",
                    decoded.seconds
                );
                assert_eq!(report["damage"].is_string(), decoded.is_damaged(), "{name}: {report}");
            }
            Err(error) => {
                assert_eq!(report["statusCode"], 2901, "{name}: {report}");
                let (why, name) = (report["error"].as_str().unwrap(), path.display().to_string());
                assert_eq!(why, error.to_string().replace(&name, report["file"].as_str().unwrap()));
            }
        }
    }
    assert!(decodable > 60, "{decodable}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_empty_files_and_huge_files_have_error_reports() {
    let fixture = BucketTest::with(FilesSettings { max_object_bytes: 1000, ..settings() }, || {
        std::sync::Arc::clone(&library().snapshot)
    })
    .await;
    for (name, body, code) in [
        ("page.mp3", b"<!DOCTYPE html><html><body>404</body></html>".repeat(9), 2901),
        ("empty.mp3", Vec::new(), 2901),
        ("giant.wav", vec![0; 1001], 2902),
    ] {
        let key = format!("songs_to_check/{name}");
        fixture.bucket.put(&key, body);
        assert_eq!(fixture.created(&key).await, Disposition::Ack);
        let report = fixture.bucket.json(&format!("{}.json", key.rsplit_once('.').unwrap().0));
        assert_eq!((&report["statusCode"], &report["matches"]), (&json!(code), &json!([])), "{report}");
        assert!(report["error"].as_str().unwrap().contains(&format!("s3://b/{key}")), "{report}");
        assert_eq!((&report["song"], &report["score"]), (&Value::Null, &json!(0)));
    }
    assert_eq!((fixture.counters.files_failed.get(), fixture.counters.files_checked.get()), (3, 0));
    // A folder as the S3 console creates it.
    fixture.bucket.put("songs_to_check/new/", "");
    assert_eq!(fixture.created("songs_to_check/new/").await, Disposition::Ack);
    assert_eq!(fixture.bucket.writes("songs_to_check/new/.json"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_object_is_skipped_and_replaced_object_is_read_again() {
    let fixture = BucketTest::new().await;
    let (key, report) = ("songs_to_check/x.wav", "songs_to_check/x.json");
    assert_eq!(fixture.created(key).await, Disposition::Ack);
    fixture.bucket.put(key, wav(&library().samples));
    fixture.bucket.after_reads(2, |bucket| bucket.remove(key));
    assert_eq!(fixture.created(key).await, Disposition::Ack);
    assert_eq!(fixture.bucket.text(report), None);
    fixture.bucket.put(key, wav(&library().samples));
    fixture.bucket.after_reads(2, |bucket| bucket.put(key, wav(&vec![0.0; 44_100])));
    assert!(matches!(fixture.created(key).await, Disposition::Retry(after) if after > Duration::ZERO));
    assert_eq!(
        (fixture.bucket.text(report), detections(&fixture, key).await),
        (None, 0),
        "no mix of both contents"
    );
    assert_eq!(fixture.created(key).await, Disposition::Ack);
    assert!((fixture.bucket.json(report)["unknownMediaFileDuration"].as_f64().unwrap() - 1.0).abs() < 0.01);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_calls_of_a_bucket_are_retried_at_once_or_with_the_message() {
    let fixture = BucketTest::new().await;
    let key = "songs_to_check/x.wav";
    fixture.bucket.put(key, wav(&library().samples));
    fixture.bucket.fail("read", 2, CloudErrorKind::Unavailable);
    assert_eq!(fixture.created(key).await, Disposition::Ack);
    assert!(fixture.bucket.max_read_bytes() <= 2 << 20, "read in parts");
    fixture.bucket.remove("songs_to_check/x.json");
    fixture.bucket.fail("write", 1, CloudErrorKind::Throttled);
    assert!(matches!(fixture.created(key).await, Disposition::Retry(_)));
    fixture.bucket.fail("read", 100, CloudErrorKind::Unavailable);
    assert!(matches!(fixture.created(key).await, Disposition::Retry(_)));
    fixture.bucket.fail("read", 0, CloudErrorKind::Unavailable);
    assert_eq!(fixture.created(key).await, Disposition::Ack);
    // Repeated attempts detect it once and report it once.
    assert_eq!((detections(&fixture, key).await, response_payloads(&fixture).await.len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_objects_are_not_overwritten() {
    let fixture = BucketTest::new().await;
    let sound = wav(&library().samples);
    fixture.bucket.put("songs_to_check/a.json", r#"{"title":"mine"}"#);
    for name in ["a.wav", "b.wav", "b.bin"] {
        fixture.bucket.put(&format!("songs_to_check/{name}"), sound.clone());
        assert_eq!(fixture.created(&format!("songs_to_check/{name}")).await, Disposition::Ack);
    }
    assert_eq!(fixture.bucket.text("songs_to_check/a.json").unwrap(), r#"{"title":"mine"}"#);
    for (report, file) in [("a.wav.json", "a.wav"), ("b.json", "b.wav"), ("b.bin.json", "b.bin")] {
        let report = fixture.bucket.json(&format!("songs_to_check/{report}"));
        assert_eq!(report["file"], format!("s3://b/songs_to_check/{file}"));
    }
    fixture.bucket.put("songs_to_check/a.wav.json", "mine too");
    assert!(
        matches!(fixture.created("songs_to_check/a.wav").await, Disposition::DeadLetter(why) if why.contains("a.wav.json"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unusual_keys_are_found_by_each_kind_of_message() {
    let fixture = BucketTest::new().await;
    let key = "songs_to_check/é +%2B (1) 日本.wav";
    let report = "songs_to_check/é +%2B (1) 日本.json";
    let encoded = "songs_to_check/%C3%A9+%2B%252B+%281%29+%E6%97%A5%E6%9C%AC.wav";
    let classic = json!({"Records": [{"eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "b"}, "object": {"key": encoded, "eTag": "x", "sequencer": "1"}}}]});
    let topic = |inner: &str| json!({"Type": "Notification", "Message": inner}).to_string();
    for body in [created(key), classic.to_string(), topic(&created(key)), topic(&classic.to_string())] {
        fixture.bucket.put(key, wav(&vec![0.0; 44_100]));
        fixture.bucket.remove(report);
        assert_eq!(fixture.handle(&body).await, Disposition::Ack);
        assert_eq!(fixture.bucket.json(report)["file"], format!("s3://b/{key}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_messages_are_acknowledged_or_dead_lettered() {
    let fixture = BucketTest::new().await;
    assert_eq!(fixture.handle(r#"{"Event":"s3:TestEvent"}"#).await, Disposition::Ack);
    assert_eq!(fixture.created("elsewhere/x.wav").await, Disposition::Ack);
    assert!(matches!(fixture.handle("what?").await, Disposition::DeadLetter(_)));
    let other = created("songs_to_check/x.wav").replace("\"b\"", "\"other\"");
    assert!(
        matches!(fixture.handle(&other).await, Disposition::DeadLetter(why) if why.contains("another bucket"))
    );
    let deleted = created("songs_to_check/x.wav").replace("Object Created", "Object Deleted");
    assert_eq!(fixture.handle(&deleted).await, Disposition::Ack);
    // A valid record in the same message as an invalid one is processed.
    fixture.bucket.put("songs_to_check/x.wav", wav(&vec![0.0; 44_100]));
    let record = |bucket: &str| {
        json!({"eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": "songs_to_check/x.wav"}}})
    };
    let both = json!({"Records": [record("other"), record("b")]});
    assert!(matches!(fixture.handle(&both.to_string()).await, Disposition::DeadLetter(_)));
    assert_eq!(fixture.bucket.json("songs_to_check/x.json")["statusCode"], 2005);
}

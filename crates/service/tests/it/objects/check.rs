//! Tests of objects that are identified, and of their reports.

use std::path::Path;
use std::time::Duration;

use refrain_catalog::HeardIn;
use refrain_core::audio::{AudioReader, Limits};
use refrain_service::intake::Handled;
use refrain_service::outside::OutsideErrorKind;
use refrain_service::settings::FilesSettings;
use serde_json::{Value, json};

use super::{Shop, created, settings, wav};
use crate::process::outbox;
use crate::songs::{SECONDS, SILENCE, library};

async fn detections(shop: &Shop, key: &str) -> usize {
    let heard_in = HeardIn::File(format!("s3://b/{key}"));
    shop.catalog.journal().detections_of(&heard_in, i64::MIN, i64::MAX, None, 100).await.unwrap().len()
}

/// Returns the payloads of the sink for responses in the outbox.
async fn told(shop: &Shop) -> Vec<String> {
    let all = outbox(&shop.catalog).await.into_iter();
    all.filter(|delivery| delivery.sink == "all").map(|delivery| delivery.payload).collect()
}

fn near(value: &Value, wanted: f64) -> bool {
    (value.as_f64().unwrap() - wanted).abs() < 0.6
}

#[tokio::test(flavor = "multi_thread")]
async fn report_contains_the_response_and_the_fields_of_the_sample() {
    let shop = Shop::new().await;
    shop.bucket.put("songs_to_check/a/my mix.wav", wav(&library().samples));
    assert_eq!(shop.created("songs_to_check/a/my mix.wav").await, Handled::Done);
    let report = shop.bucket.json("songs_to_check/a/my mix.json");
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
    assert_eq!(detections(&shop, "songs_to_check/a/my mix.wav").await, 2);
    let deliveries = told(&shop).await;
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    assert!(deliveries[0].contains("2006"), "{deliveries:?}");
    assert_eq!((shop.measures.files_checked.get(), shop.measures.airings.get()), (1, 2));
    // The report itself is not identified.
    assert_eq!(shop.created("songs_to_check/a/my mix.json").await, Handled::Done);
    assert_eq!(shop.bucket.text("songs_to_check/a/my mix.json.json"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_or_late_event_writes_one_report_on_the_newest_content() {
    let shop = Shop::new().await;
    let (key, report) = ("songs_to_check/x.wav", "songs_to_check/x.json");
    shop.bucket.put(key, wav(&library().samples));
    let (body, handler) = (created(key), shop.files.handler());
    let both = tokio::join!(handler.handle(&body), handler.handle(&body));
    assert_eq!(both, (Handled::Done, Handled::Done));
    assert_eq!(handler.handle(&body).await, Handled::Done);
    assert_eq!((shop.bucket.writes(report), detections(&shop, key).await), (1, 2));
    assert_eq!(told(&shop).await.len(), 1);
    // New content, for which two events arrive; the older one arrives last.
    shop.bucket.put(key, wav(&vec![0.0; 44_100]));
    assert_eq!(handler.handle(&body).await, Handled::Done);
    assert_eq!(handler.handle(&body).await, Handled::Done);
    let newest = shop.bucket.json(report);
    assert_eq!((shop.bucket.writes(report), &newest["statusCode"]), (2, &json!(2005)));
    assert_eq!((&newest["song"], &newest["score"]), (&Value::Null, &json!(0)));
    assert_eq!(told(&shop).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_is_read_as_from_disk_and_other_files_have_a_reason() {
    let shop = Shop::new().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/audio");
    let mut sounds = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".csv") {
            continue;
        }
        // Each file has a folder of its own, because some names differ in the extension only.
        let folder = format!("songs_to_check/{name}");
        shop.bucket.put(&format!("{folder}/x.bin"), std::fs::read(&path).unwrap());
        assert_eq!(shop.created(&format!("{folder}/x.bin")).await, Handled::Done, "{name}");
        let report = shop.bucket.json(&format!("{folder}/x.json"));
        let decoded = AudioReader::open(&path, &Limits::default()).and_then(|mut reader| {
            while reader.next_chunk()?.is_some() {}
            Ok(reader.report().clone())
        });
        match decoded {
            Ok(decoded) => {
                sounds += 1;
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
    assert!(sounds > 60, "{sounds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_empty_files_and_huge_files_have_error_reports() {
    let shop = Shop::with(FilesSettings { largest_object: 1000, ..settings() }, || {
        std::sync::Arc::clone(&library().snapshot)
    })
    .await;
    for (name, body, code) in [
        ("page.mp3", b"<!DOCTYPE html><html><body>404</body></html>".repeat(9), 2901),
        ("empty.mp3", Vec::new(), 2901),
        ("giant.wav", vec![0; 1001], 2902),
    ] {
        let key = format!("songs_to_check/{name}");
        shop.bucket.put(&key, body);
        assert_eq!(shop.created(&key).await, Handled::Done);
        let report = shop.bucket.json(&format!("{}.json", key.rsplit_once('.').unwrap().0));
        assert_eq!((&report["statusCode"], &report["matches"]), (&json!(code), &json!([])), "{report}");
        assert!(report["error"].as_str().unwrap().contains(&format!("s3://b/{key}")), "{report}");
        assert_eq!((&report["song"], &report["score"]), (&Value::Null, &json!(0)));
    }
    assert_eq!((shop.measures.files_failed.get(), shop.measures.files_checked.get()), (3, 0));
    // A folder as the S3 console creates it.
    shop.bucket.put("songs_to_check/new/", "");
    assert_eq!(shop.created("songs_to_check/new/").await, Handled::Done);
    assert_eq!(shop.bucket.writes("songs_to_check/new/.json"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_object_is_skipped_and_replaced_object_is_read_again() {
    let shop = Shop::new().await;
    let (key, report) = ("songs_to_check/x.wav", "songs_to_check/x.json");
    assert_eq!(shop.created(key).await, Handled::Done);
    shop.bucket.put(key, wav(&library().samples));
    shop.bucket.after_reads(2, |bucket| bucket.remove(key));
    assert_eq!(shop.created(key).await, Handled::Done);
    assert_eq!(shop.bucket.text(report), None);
    shop.bucket.put(key, wav(&library().samples));
    shop.bucket.after_reads(2, |bucket| bucket.put(key, wav(&vec![0.0; 44_100])));
    assert!(matches!(shop.created(key).await, Handled::Again(after) if after > Duration::ZERO));
    assert_eq!(
        (shop.bucket.text(report), detections(&shop, key).await),
        (None, 0),
        "no mix of both contents"
    );
    assert_eq!(shop.created(key).await, Handled::Done);
    assert!((shop.bucket.json(report)["unknownMediaFileDuration"].as_f64().unwrap() - 1.0).abs() < 0.01);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_calls_of_a_bucket_are_retried_at_once_or_with_the_message() {
    let shop = Shop::new().await;
    let key = "songs_to_check/x.wav";
    shop.bucket.put(key, wav(&library().samples));
    shop.bucket.fail("read", 2, OutsideErrorKind::Unavailable);
    assert_eq!(shop.created(key).await, Handled::Done);
    assert!(shop.bucket.longest_read() <= 2 << 20, "read in parts");
    shop.bucket.remove("songs_to_check/x.json");
    shop.bucket.fail("write", 1, OutsideErrorKind::Throttled);
    assert!(matches!(shop.created(key).await, Handled::Again(_)));
    shop.bucket.fail("read", 100, OutsideErrorKind::Unavailable);
    assert!(matches!(shop.created(key).await, Handled::Again(_)));
    shop.bucket.fail("read", 0, OutsideErrorKind::Unavailable);
    assert_eq!(shop.created(key).await, Handled::Done);
    // Repeated attempts detect it once and report it once.
    assert_eq!((detections(&shop, key).await, told(&shop).await.len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_objects_are_not_overwritten() {
    let shop = Shop::new().await;
    let sound = wav(&library().samples);
    shop.bucket.put("songs_to_check/a.json", r#"{"title":"mine"}"#);
    for name in ["a.wav", "b.wav", "b.bin"] {
        shop.bucket.put(&format!("songs_to_check/{name}"), sound.clone());
        assert_eq!(shop.created(&format!("songs_to_check/{name}")).await, Handled::Done);
    }
    assert_eq!(shop.bucket.text("songs_to_check/a.json").unwrap(), r#"{"title":"mine"}"#);
    for (report, file) in [("a.wav.json", "a.wav"), ("b.json", "b.wav"), ("b.bin.json", "b.bin")] {
        let report = shop.bucket.json(&format!("songs_to_check/{report}"));
        assert_eq!(report["file"], format!("s3://b/songs_to_check/{file}"));
    }
    shop.bucket.put("songs_to_check/a.wav.json", "mine too");
    assert!(
        matches!(shop.created("songs_to_check/a.wav").await, Handled::Bury(why) if why.contains("a.wav.json"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unusual_keys_are_found_by_each_kind_of_message() {
    let shop = Shop::new().await;
    let key = "songs_to_check/é +%2B (1) 日本.wav";
    let report = "songs_to_check/é +%2B (1) 日本.json";
    let encoded = "songs_to_check/%C3%A9+%2B%252B+%281%29+%E6%97%A5%E6%9C%AC.wav";
    let classic = json!({"Records": [{"eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "b"}, "object": {"key": encoded, "eTag": "x", "sequencer": "1"}}}]});
    let topic = |inner: &str| json!({"Type": "Notification", "Message": inner}).to_string();
    for body in [created(key), classic.to_string(), topic(&created(key)), topic(&classic.to_string())] {
        shop.bucket.put(key, wav(&vec![0.0; 44_100]));
        shop.bucket.remove(report);
        assert_eq!(shop.handle(&body).await, Handled::Done);
        assert_eq!(shop.bucket.json(report)["file"], format!("s3://b/{key}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_messages_are_acknowledged_or_dead_lettered() {
    let shop = Shop::new().await;
    assert_eq!(shop.handle(r#"{"Event":"s3:TestEvent"}"#).await, Handled::Done);
    assert_eq!(shop.created("elsewhere/x.wav").await, Handled::Done);
    assert!(matches!(shop.handle("what?").await, Handled::Bury(_)));
    let other = created("songs_to_check/x.wav").replace("\"b\"", "\"other\"");
    assert!(matches!(shop.handle(&other).await, Handled::Bury(why) if why.contains("another bucket")));
    let deleted = created("songs_to_check/x.wav").replace("Object Created", "Object Deleted");
    assert_eq!(shop.handle(&deleted).await, Handled::Done);
    // A valid record in the same message as an invalid one is processed.
    shop.bucket.put("songs_to_check/x.wav", wav(&vec![0.0; 44_100]));
    let record = |bucket: &str| {
        json!({"eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": "songs_to_check/x.wav"}}})
    };
    let both = json!({"Records": [record("other"), record("b")]});
    assert!(matches!(shop.handle(&both.to_string()).await, Handled::Bury(_)));
    assert_eq!(shop.bucket.json("songs_to_check/x.json")["statusCode"], 2005);
}

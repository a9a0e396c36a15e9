//! Tests with objects that are uploaded to the bucket.

use super::cloud::{Cloud, depth, keys, object, send, wait_until};
use crate::serve::Service;
use crate::support::{Sandbox, music};

const ENVIRONMENT: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

/// Returns a WAV file with an excerpt of a song.
fn clip(sandbox: &Sandbox, song: usize, from: f64, seconds: f64) -> Vec<u8> {
    std::fs::read(sandbox.clip("clip.wav", &music().known[song], from, seconds)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn uploaded_songs_are_indexed_and_checked() {
    let (sandbox, cloud) = (Sandbox::new(), Cloud::new().await);
    let mut service = Service::start(&sandbox, &cloud.settings(None), &[], &ENVIRONMENT);
    service.wait("/readyz", 200);
    let whole = clip(&sandbox, 0, 0.0, 24.0);
    cloud.put("songs_to_index/My Song.json", br#"{"title": "My Song", "artist": "Somebody"}"#);
    cloud.drop_in(&cloud.index, "songs_to_index/My Song.wav", &whole);
    wait_until("the song", || {
        let output = service.command(&["tracks", "list", "--json"]).expect(0);
        output.stdout.contains("My Song").then_some(())
    })
    .await;
    let part = clip(&sandbox, 0, 5.0, 10.0);
    // It is found as soon as it is in the index.
    wait_until("the song", || {
        service.command(&["identify", "clip.wav"]).status.filter(|status| *status == 0)
    })
    .await;
    // The service's own index also contains it.
    wait_until("the song in the index", || {
        service.get("/metrics").body.contains("refrain_index_tracks 1.0").then_some(())
    })
    .await;
    for (key, bytes) in [
        ("songs_to_check/é +1.wav", &part[..]),
        ("Songs_To_Check/unknown.wav", &clip(&sandbox, 1, 5.0, 10.0)[..]),
        ("songs_to_check/page.mp3", b"<!doctype html><html>no song</html>"),
        ("songs_to_check/empty.mp3", b""),
        ("songs_to_check/torn.wav", &part[..20]),
    ] {
        cloud.drop_in(&cloud.check, key, bytes);
    }
    // A duplicate event gives one report. A missing object gives none. The test event of S3 names no object.
    send(&cloud.check.url, &cloud.created("songs_to_check/é +1.wav", part.len()));
    send(&cloud.check.url, &cloud.created("songs_to_check/gone.wav", 100));
    send(&cloud.check.url, r#"{"Event":"s3:TestEvent","Bucket":"any"}"#);
    let known = wait_until("a report", || object(&cloud.bucket, "songs_to_check/é +1.json")).await;
    assert_eq!((&known["statusCode"], &known["song"]), (&2006.into(), &"My Song".into()), "{known}");
    assert!((known["matches"][0]["matchTimeInReference"].as_f64().unwrap() - 5.0).abs() < 0.5, "{known}");
    assert!(known["score"].as_u64().unwrap() > 5 && known["unknownMediaFileDuration"].is_number(), "{known}");
    let unknown = wait_until("a report", || object(&cloud.bucket, "Songs_To_Check/unknown.json")).await;
    assert_eq!(
        (&unknown["statusCode"], &unknown["song"]),
        (&2005.into(), &serde_json::Value::Null),
        "{unknown}"
    );
    for name in ["page", "torn"] {
        let report = wait_until(name, || object(&cloud.bucket, &format!("songs_to_check/{name}.json"))).await;
        assert!(report["statusCode"].as_u64().is_some_and(|code| code >= 2900), "{report}");
    }
    wait_until("an empty queue", || (depth(&cloud.check.url) == (0, 0)).then_some(())).await;
    assert!(!keys(&cloud.bucket, "songs_to_check/").contains(&"songs_to_check/gone.json".to_owned()));
    service.end().expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_segments_in_any_order_form_one_stream() {
    let (sandbox, cloud) = (Sandbox::with_catalog(), Cloud::new().await);
    let mut service = Service::start(&sandbox, &cloud.settings(None), &[], &ENVIRONMENT);
    service.wait("/readyz", 200);
    let wav = sandbox.clip("song.wav", &music().known[0], 0.0, 24.0);
    let clips = refrain_testkit::origin::encode(&wav, refrain_testkit::origin::SegmentContainer::Ts, 4.0)
        .unwrap()
        .clips;
    let key = |number: usize| format!("songs_to_check/streams/my_show.{number:06}.ts");
    // The segments arrive out of order. Of the first three, the first one arrives last.
    for number in [2, 1, 0, 3, 5, 4] {
        let bytes = &clips[number].bytes;
        cloud.drop_in(&cloud.check, &key(number), bytes);
    }
    let published = wait_until("a start", || cloud.results().into_iter().next()).await;
    assert!(published.0.starts_with("my_show/"), "{published:?}");
    assert_eq!(published.1["matches"][0]["evidence"]["event"], "start");
    service.end().expect(0);
}

//! Tests of a whole service on one machine: from a stream to files and webhook calls.

use std::time::{Duration, Instant};

use refrain_testkit::origin::Origin;
use serde_json::Value;

use super::metrics::parsed;
use super::{Service, TIMEOUT};
use crate::stage::{Stage, check_broadcast, responses};

/// Waits until `poll` returns a value. `what` names it in the failure message.
pub(super) async fn wait_until<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(began.elapsed() < TIMEOUT, "timeout waiting for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn settings(stage: &Stage, hook: &str) -> String {
    let out = stage.sandbox.path("out");
    format!(
        "[[sinks]]\nkind = 'folder'\npath = '{}'\nkey = '{{file}}'\n\
         [[sinks]]\nkind = 'webhook'\nurl = '{hook}'\nallow_private = true\n\
         [service]\nname = 'only'\n",
        out.display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn added_stream_is_followed_and_detections_are_delivered() {
    let stage = Stage::new().await;
    let (live, url) = stage.live(3);
    let hooks = Origin::start().await.unwrap();
    hooks.put("/hook", "thanks", "text/plain");
    let hook = format!("{}?token=hush", hooks.url("/hook"));
    let mut service = Service::start(&stage.sandbox, &settings(&stage, &hook), &[], &[]);
    service.wait("/readyz", 200);
    service.command(&["streams", "add", "radio/one", &url]).expect(0);
    stage.joined().await;
    // The start of the first song is reported while it plays.
    live.publish(8);
    let out = stage.sandbox.path("out");
    wait_until("the first file", || responses(&out).into_iter().next()).await;
    let one = wait_until("the song that plays", || {
        let one = service.get("/v1/streams/radio%2Fone").json();
        one["now_playing"][0].is_object().then_some(one)
    })
    .await;
    assert_eq!(
        (&one["stream"]["worker"], &one["followed"]["state"]),
        (&"only".into(), &"live".into()),
        "{one}"
    );
    assert_eq!(one["followed"]["format"]["codec"], "Advanced Audio Coding", "{one}");
    // The song can be reported before all published segments are processed.
    let values = wait_until("all that was published", || {
        let values = parsed(&service.get("/metrics").body);
        (values["refrain_stream_audio_seconds_total{stream=\"radio/one\"}"] > 20.0).then_some(values)
    })
    .await;
    assert_eq!(values["refrain_streams"], 1.0);
    assert_eq!(values["refrain_stream_songs{stream=\"radio/one\"}"], 1.0, "{values:?}");
    service.command(&["healthcheck"]).expect(0);
    let listed = service.command(&["streams", "list"]).expect(0);
    assert!(listed.stdout.contains("radio/one  live   api"), "{listed:#?}");
    // Publish the other segments, and end the playlist.
    live.publish(stage.clips.len() as u64 - 11);
    live.change(|options| options.end = true);
    let all = wait_until("four files", || Some(responses(&out)).filter(|all| all.len() == 4)).await;
    let mut all: Vec<Value> = all.into_iter().map(|(_, response)| response).collect();
    // Files are delivered concurrently, so that files of one moment have no order.
    all.sort_by_key(|one| one["matches"][0]["evidence"]["event"] == "final");
    check_broadcast(&all, 1_700_000_000.0);
    wait_until("four calls", || (hooks.request_count("/hook") >= 4).then_some(())).await;
    let page =
        service.get("/v1/streams/radio%2Fone/detections?from=1699999000000&to=1700009000000&limit=1").json();
    let next = page["next"].as_str().unwrap();
    let path = format!("/v1/streams/radio%2Fone/detections?from=1699999000000&to=1700009000000&after={next}");
    let rest = service.get(&path).json();
    assert_eq!(rest["detections"].as_array().unwrap().len(), 1, "{rest}");
    let track = rest["detections"][0]["track"]["id"].as_str().unwrap();
    let airings = service.get(&format!("/v1/detections/{track}")).json();
    assert_eq!(airings["detections"][0]["stream"], "radio/one", "{airings}");
    assert_eq!(airings["detections"][0]["is_final"], true);
    let output = service.end().expect(0);
    assert!(!output.stderr.contains("hush"), "{output:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_releases_streams_and_the_next_worker_continues() {
    let stage = Stage::new().await;
    let (live, url) = stage.live(3);
    let hooks = Origin::start().await.unwrap();
    hooks.put("/hook", "thanks", "text/plain");
    let fixed = format!("[[streams]]\nid = 'radio/one'\nurl = '{url}'\n");
    let settings = fixed + &settings(&stage, &hooks.url("/hook"));
    let out = stage.sandbox.path("out");
    let mut first = Service::start(&stage.sandbox, &settings, &[], &[]);
    first.wait("/readyz", 200);
    stage.joined().await;
    live.publish(8);
    wait_until("the first file", || responses(&out).into_iter().next()).await;
    let began = Instant::now();
    first.end().expect(0);
    assert!(began.elapsed() < Duration::from_secs(25), "the drain exceeds drain_seconds");
    assert_eq!(responses(&out).len(), 1, "no final is written, because the song is still playing");
    let second = Service::start(&stage.sandbox, &settings, &[], &[]);
    let listed = wait_until("the next worker", || {
        let one = second.command(&["streams", "list", "--json"]);
        one.stdout.contains("\"worker\":\"only\"").then_some(one)
    })
    .await;
    assert!(listed.stdout.contains("\"lease_seconds\""), "{listed:#?}");
    // The first song ends, and the second one starts.
    live.publish(9);
    let all = wait_until("three files", || Some(responses(&out)).filter(|all| all.len() == 3)).await;
    let evidence: Vec<_> = all.iter().map(|(_, one)| &one["matches"][0]["evidence"]).collect();
    let events: Vec<_> = evidence.iter().map(|one| one["event"].as_str().unwrap()).collect();
    assert!(events == ["start", "final", "start"] || events == ["start", "start", "final"], "{events:?}");
    let last = evidence.iter().find(|one| one["event"] == "final").unwrap();
    assert_eq!((&last["airing"], &last["reference"]), (&evidence[0]["airing"], &evidence[0]["reference"]));
    second.end().expect(0);
}

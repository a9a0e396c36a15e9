//! Tests from an event in the queue to JSON in the bucket.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::cloud::{Cloud, Gate, arn, depth, event, send, wait_until};
use crate::serve::Service;
use crate::stage::{Stage, check_broadcast};

const ENVIRONMENT: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

#[tokio::test(flavor = "multi_thread")]
async fn stream_start_event_leads_to_json_in_the_bucket() {
    let (stage, cloud) = (Stage::new().await, Cloud::new().await);
    let (live, url) = stage.live(3);
    let mut service = Service::start(&stage.sandbox, &cloud.settings(None), &[], &ENVIRONMENT);
    service.wait("/readyz", 200);
    let channel = arn("abcdABCDefgh");
    cloud.ivs.add_channel(&channel, &url);
    cloud.ivs.start_stream(&channel, "st-1A2b3c");
    let began = Instant::now();
    cloud.event("Stream Start", &channel, "st-1A2b3c");
    stage.joined().await;
    let joined = began.elapsed();
    live.publish(8);
    wait_until("the first object", || cloud.results().into_iter().next()).await;
    // A duplicate and late event has no effect.
    cloud.event("Stream Start", &channel, "st-1A2b3c");
    live.publish(stage.clips.len() as u64 - 11);
    live.change(|options| options.end = true);
    let all = wait_until("four objects", || Some(cloud.results()).filter(|all| all.len() == 4)).await;
    cloud.ivs.end_stream(&channel);
    cloud.event("Stream End", &channel, "st-1A2b3c");
    assert!(
        all.iter().all(|(key, _)| key.starts_with("st-1A2b3c/st-1A2b3c_") && key.ends_with(".json")),
        "{all:?}"
    );
    let mut all: Vec<Value> = all.into_iter().map(|(_, response)| response).collect();
    all.sort_by_key(|one| one["matches"][0]["evidence"]["event"] == "final");
    check_broadcast(&all, 1_700_000_000.0);
    assert!(all.iter().all(|one| one["unknownAssetID"] == "st-1A2b3c" && one["statusCode"] == 2006));
    wait_until("an empty queue", || (depth(&cloud.streams.url) == (0, 0)).then_some(())).await;
    assert_eq!(depth(&cloud.streams.dead), (0, 0));
    service.end().expect(0);
    println!("from Stream Start in the queue to the first segment: {joined:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_messages_are_dead_lettered_and_bursts_handled() {
    let (stage, cloud) = (Stage::new().await, Cloud::new().await);
    let (_live, url) = stage.live(3);
    send(&cloud.streams.url, "<html>not at all</html>");
    // Moto needs about 0.1 s for each message on a busy machine.
    for number in 0..300 {
        let channel = arn(&format!("burst{}", number % 10));
        let name = ["Stream Start", "Session Created", "Stream End", "Something New"][number % 4];
        send(&cloud.streams.url, &event(name, &channel, &format!("st-{number}")));
    }
    let channel = arn("real");
    cloud.ivs.add_channel(&channel, &url);
    cloud.ivs.start_stream(&channel, "st-real");
    cloud.event("Stream Start", &channel, "st-real");
    let mut service = Service::start(&stage.sandbox, &cloud.settings(None), &[], &ENVIRONMENT);
    service.wait("/readyz", 200);
    stage.joined().await;
    wait_until("an empty queue", || (depth(&cloud.streams.url) == (0, 0)).then_some(())).await;
    // Starts of missing channels are ignored and do not go to the dead-letter queue.
    assert_eq!(depth(&cloud.streams.dead), (1, 0), "only the invalid event");
    let streams = service.get("/v1/streams").json();
    assert_eq!(streams["streams"].as_array().unwrap().len(), 1, "{streams}");
    service.end().expect(0).stderr_contains("message moved to the dead-letter queue");
}

#[tokio::test(flavor = "multi_thread")]
async fn outbox_delivers_results_after_an_s3_outage() {
    let (stage, cloud) = (Stage::new().await, Cloud::new().await);
    let (live, url) = stage.live(3);
    let gate = Gate::before_s3().await;
    gate.shut(true);
    let mut service = Service::start(&stage.sandbox, &cloud.settings(Some(gate.url())), &[], &ENVIRONMENT);
    service.wait("/readyz", 200);
    let channel = arn("refused");
    cloud.ivs.add_channel(&channel, &url);
    cloud.ivs.start_stream(&channel, "st-refused");
    cloud.event("Stream Start", &channel, "st-refused");
    stage.joined().await;
    live.publish(stage.clips.len() as u64 - 3);
    live.change(|options| options.end = true);
    let waiting = |service: &Service<'_>| {
        let output = service.command(&["outbox", "list", "--json"]).expect(0);
        output.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let list = wait_until("four that wait", || Some(waiting(&service)).filter(|list| list.len() == 4)).await;
    wait_until("an error", || {
        waiting(&service).iter().any(|one| one["last_error"].is_string()).then_some(())
    })
    .await;
    assert!(cloud.results().is_empty(), "{list:?}");
    gate.shut(false);
    let all = wait_until("four objects", || Some(cloud.results()).filter(|all| all.len() == 4)).await;
    let mut all: Vec<Value> = all.into_iter().map(|(_, response)| response).collect();
    all.sort_by_key(|one| one["matches"][0]["evidence"]["event"] == "final");
    check_broadcast(&all, 1_700_000_000.0);
    service.end().expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn private_channels_are_requested_with_a_token() {
    const KEY: &str = include_str!("../../data/playback-key.pem");
    let (stage, cloud) = (Stage::new().await, Cloud::new().await);
    let (_live, url) = stage.live(3);
    let channel = arn("private");
    cloud.ivs.add_private_channel(&channel, &url);
    cloud.ivs.start_stream(&channel, "st-private");
    let environment = [ENVIRONMENT[0], ENVIRONMENT[1], ("REFRAIN_IVS_PRIVATE_KEY", KEY)];
    let mut service = Service::start(&stage.sandbox, &cloud.settings(None), &[], &environment);
    service.wait("/readyz", 200);
    cloud.event("Stream Start", &channel, "st-private");
    stage.joined().await;
    let tokens: Vec<String> = stage
        .origin
        .requests()
        .iter()
        .filter(|request| request.path == "/live/index.m3u8" && request.query.starts_with("token="))
        .map(|request| request.query.clone())
        .collect();
    assert!(tokens.first().is_some_and(|token| token.split('.').count() == 3), "{tokens:?}");
    let output = service.end().expect(0);
    assert!(!output.stderr.contains("token=ey") && !output.stderr.contains("PRIVATE KEY"), "{output:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missed_stream_starts_and_ends_are_detected() {
    let (stage, cloud) = (Stage::new().await, Cloud::new().await);
    let (live, url) = stage.live(3);
    let channel = arn("missed");
    cloud.ivs.add_channel(&channel, &url);
    cloud.ivs.start_stream(&channel, "st-missed");
    // No event is sent. The service finds the stream with ListStreams.
    let mut service = Service::start(&stage.sandbox, &cloud.settings(None), &[], &ENVIRONMENT);
    service.wait("/readyz", 200);
    stage.joined().await;
    live.change(|options| options.end = true);
    cloud.ivs.end_stream(&channel);
    wait_until("the end", || {
        let all = service.get("/v1/streams?all=true").json();
        (all["streams"][0]["state"] == "ended").then_some(())
    })
    .await;
    let began = Instant::now();
    service.end().expect(0);
    assert!(began.elapsed() < Duration::from_secs(30), "the drain exceeds its time limit");
}

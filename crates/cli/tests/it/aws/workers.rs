//! Several workers on one PostgreSQL: streams are shared, killed workers replaced, nothing told twice or lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use refrain_testkit::PostgresServer;
use refrain_testkit::origin::LiveStream;
use serde_json::Value;

use super::cloud::{Cloud, arn, until};
use crate::monitor::Stage;
use crate::serve::Service;

const ENVIRONMENT: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

/// Streams of a test.
const STREAMS: usize = 10;

/// Channels that all send the broadcast.
struct Broadcasts {
    stage: Stage,
    cloud: Cloud,
    lives: Vec<LiveStream>,
}

impl Broadcasts {
    async fn new() -> Self {
        let (stage, cloud) = (Stage::new().await, Cloud::new().await);
        let lives = (0..STREAMS).map(|number| {
            let (live, url) = stage.live_at(&format!("/live{number}"), 3);
            let channel = arn(&format!("ch{number}"));
            cloud.ivs.add_channel(&channel, &url);
            cloud.ivs.start_stream(&channel, &format!("st-{number}"));
            cloud.event("Stream Start", &channel, &format!("st-{number}"));
            live
        });
        let lives = lives.collect();
        Self { stage, cloud, lives }
    }

    fn publish(&self, segments: u64) {
        self.lives.iter().for_each(|live| live.publish(segments));
    }

    /// The rest comes, after so many segments, and the playlists end.
    fn end(&self, published: u64) {
        let rest = self.stage.clips.len() as u64 - published;
        self.lives.iter().for_each(|live| {
            live.publish(rest);
            live.change(|options| options.end = true);
        });
    }

    fn settings(&self, name: &str) -> String {
        format!("{}[service]\nname = '{name}'\nlease_seconds = 3\n", self.cloud.settings(None))
    }

    /// Results by stream: event and airing by song.
    fn told(&self) -> BTreeMap<String, Vec<(String, String, String)>> {
        let mut told: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, response) in self.cloud.results() {
            let evidence = &response["matches"][0]["evidence"];
            let text = |name: &str| evidence[name].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            let stream = key.split('/').next().unwrap().to_owned();
            told.entry(stream).or_default().push((text("reference"), text("event"), text("airing")));
        }
        told.values_mut().for_each(|all| all.sort());
        told
    }

    /// Waits until all songs were told to their end, and checks that each was told once, in one chain.
    async fn check(&self) {
        let complete =
            |told: &BTreeMap<_, Vec<_>>| told.len() == STREAMS && told.values().all(|all| all.len() >= 4);
        let told = until("all results", || Some(self.told()).filter(complete)).await;
        for (stream, all) in told {
            let kinds: Vec<_> = all.iter().map(|(song, event, _)| (song.as_str(), event.as_str())).collect();
            let wanted =
                [("one.wav", "final"), ("one.wav", "start"), ("three.wav", "final"), ("three.wav", "start")];
            assert_eq!(kinds, wanted, "{stream}: {all:?}");
            assert!(all[0].2 == all[1].2 && all[2].2 == all[3].2, "one chain each: {stream}: {all:?}");
        }
    }
}

/// How many streams each worker follows.
fn shares(service: &Service<'_>) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for stream in service.get("/v1/streams").json()["streams"].as_array().unwrap() {
        let worker = stream["worker"].as_str().unwrap_or("nobody").to_owned();
        *shares.entry(worker).or_default() += 1;
    }
    shares
}

fn database(server: &PostgresServer, stage: &Stage) -> String {
    let url = server.create_database("service").unwrap();
    stage.sandbox.run(&["tracks", "export", "songs.jsonl"]).expect(0);
    let mut command = stage.sandbox.command(&["--catalog", &url, "tracks", "import", "songs.jsonl"]);
    assert!(command.output().unwrap().status.success());
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_streams_survive_the_death_of_their_workers() {
    let server = PostgresServer::new().unwrap();
    let all = Broadcasts::new().await;
    let url = database(&server, &all.stage);
    let start = |name: &str| Service::on(&all.stage.sandbox, &url, &all.settings(name), &[], &ENVIRONMENT);
    let (first, mut second) = (start("first"), start("second"));
    second.wait("/readyz", 200);
    until("ten streams at work", || {
        let shares = shares(&second);
        (shares.values().sum::<usize>() == STREAMS && !shares.contains_key("nobody")).then_some(())
    })
    .await;
    all.publish(8);
    until("ten starts", || (all.told().len() == STREAMS).then_some(())).await;
    // In mid-song, without a word.
    let killed = Instant::now();
    first.kill();
    until("all at the second", || (shares(&second).get("second") == Some(&STREAMS)).then_some(())).await;
    let taken = killed.elapsed();
    let mut third = start("third");
    third.wait("/readyz", 200);
    all.publish(3);
    second.kill();
    until("all at the third", || (shares(&third).get("third") == Some(&STREAMS)).then_some(())).await;
    all.end(14);
    all.check().await;
    third.end().expect(0);
    assert!(taken < Duration::from_secs(15), "taken over after {taken:?}");
    println!("taken over after {taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_restarts_loses_nothing() {
    let mut server = PostgresServer::new().unwrap();
    let all = Broadcasts::new().await;
    let url = database(&server, &all.stage);
    let mut service = Service::on(&all.stage.sandbox, &url, &all.settings("only"), &[], &ENVIRONMENT);
    service.wait("/readyz", 200);
    until("ten streams at work", || (shares(&service).get("only") == Some(&STREAMS)).then_some(())).await;
    all.publish(8);
    until("ten starts", || (all.told().len() == STREAMS).then_some(())).await;
    server.kill().unwrap();
    all.publish(4);
    service.wait("/readyz", 503);
    tokio::time::sleep(Duration::from_secs(5)).await;
    server.start().unwrap();
    service.wait("/readyz", 200);
    all.end(15);
    all.check().await;
    let metrics = service.get("/metrics").body;
    assert!(metrics.contains("refrain_ready 1"), "{metrics}");
    service.end().expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_drains_hands_over_at_once() {
    let server = PostgresServer::new().unwrap();
    let all = Broadcasts::new().await;
    let url = database(&server, &all.stage);
    let mut first = Service::on(&all.stage.sandbox, &url, &all.settings("first"), &[], &ENVIRONMENT);
    first.wait("/readyz", 200);
    until("ten streams at work", || (shares(&first).get("first") == Some(&STREAMS)).then_some(())).await;
    all.publish(8);
    until("ten starts", || (all.told().len() == STREAMS).then_some(())).await;
    let mut second = Service::on(&all.stage.sandbox, &url, &all.settings("second"), &[], &ENVIRONMENT);
    second.wait("/readyz", 200);
    let began = Instant::now();
    first.end().expect(0);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    until("all at the second", || (shares(&second).get("second") == Some(&STREAMS)).then_some(())).await;
    all.end(11);
    all.check().await;
    let page: Value = second.get("/v1/streams/arn:aws:ivs:eu-west-1:123456789012:channel%2Fch0").json();
    assert_eq!(page["stream"]["id"], arn("ch0"), "{page}");
    second.end().expect(0);
}

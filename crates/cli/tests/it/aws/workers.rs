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

/// Workers that are killed, one after the other.
const KILLS: usize = 20;

/// Segments before the first kill, and behind the last.
const BEFORE: u64 = 11;
const BEHIND: usize = 2;

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

    /// Where and when the songs of a stream were heard, as its results tell.
    fn results_of(&self, stream: &str) -> Vec<Value> {
        let mut results = self.cloud.results();
        results.retain(|(key, _)| key.starts_with(stream));
        results.into_iter().map(|(_, response)| response["matches"][0].clone()).collect()
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
            assert_eq!(kinds, wanted, "{stream}: {:#?}", self.results_of(&stream));
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
async fn ten_streams_survive_twenty_kills_of_their_workers() {
    let server = PostgresServer::new().unwrap();
    let all = Broadcasts::new().await;
    let url = database(&server, &all.stage);
    let start = |name: &str| Service::on(&all.stage.sandbox, &url, &all.settings(name), &[], &ENVIRONMENT);
    // Two at any time, each of which may have all streams when the other dies.
    let mut workers = vec![start("worker-0"), start("worker-1")];
    workers[1].wait("/readyz", 200);
    until("ten streams at work", || {
        let shares = shares(&workers[1]);
        (shares.values().sum::<usize>() == STREAMS && !shares.contains_key("nobody")).then_some(())
    })
    .await;
    all.publish(8);
    until("ten starts", || (all.told().len() == STREAMS).then_some(())).await;
    // One after the other, at any place of a song or between two, each without a word.
    let spare = all.stage.clips.len() - BEFORE as usize - BEHIND;
    let mut longest = Duration::ZERO;
    for kill in 0..KILLS {
        let name = format!("worker-{}", kill + 2);
        let mut next = start(&name);
        next.wait("/readyz", 200);
        // As many segments as there are come in the time of all kills.
        let due = |kill: usize| (spare * kill / KILLS) as u64;
        all.publish(due(kill + 1) - due(kill));
        let killed = Instant::now();
        workers.remove(0).kill();
        workers.push(next);
        until("none is left behind", || {
            let shares = shares(workers.last()?);
            let alive = |worker: &str| worker == name || worker == format!("worker-{}", kill + 1);
            shares.keys().all(|worker| alive(worker)).then_some(())
        })
        .await;
        longest = longest.max(killed.elapsed());
    }
    all.end(all.stage.clips.len() as u64 - BEHIND as u64);
    all.check().await;
    for worker in workers {
        worker.end().expect(0);
    }
    assert!(longest < Duration::from_secs(15), "taken over after {longest:?}");
    println!("{KILLS} kills, each taken over after {longest:?} at most");
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

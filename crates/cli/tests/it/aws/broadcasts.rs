//! Ten channels that broadcast the same two songs, and checks of the reported detections.

use std::collections::BTreeMap;

use refrain_testkit::PostgresServer;
use refrain_testkit::origin::LiveStream;
use serde_json::Value;

use super::cloud::{Cloud, arn, wait_until};
use crate::serve::Service;
use crate::stage::{Stage, check_broadcast};

pub(super) const ENVIRONMENT: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

/// Number of channels.
pub(super) const STREAMS: usize = 10;

/// Channels that all send the broadcast.
pub(super) struct Broadcasts {
    pub(super) stage: Stage,
    pub(super) cloud: Cloud,
    lives: Vec<LiveStream>,
}

impl Broadcasts {
    pub(super) async fn new() -> Self {
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

    /// Waits until all streams are joined, publishes the first song, and waits until its start is reported for each stream.
    pub(super) async fn play_first_song(&self) {
        let has_joined = |number| self.stage.origin.request_count(&format!("/live{number}/seg0.ts")) > 0;
        wait_until("ten streams joined", || (0..STREAMS).all(has_joined).then_some(())).await;
        self.publish(8);
        wait_until("ten starts", || (self.results().len() == STREAMS).then_some(())).await;
    }

    pub(super) fn publish(&self, segments: u64) {
        self.lives.iter().for_each(|live| live.publish(segments));
    }

    /// Publishes the segments after the first `published` ones, and ends the playlists.
    pub(super) fn end(&self, published: u64) {
        let rest = self.stage.clips.len() as u64 - published;
        self.lives.iter().for_each(|live| {
            live.publish(rest);
            live.change(|options| options.end = true);
        });
    }

    pub(super) fn settings(&self, name: &str) -> String {
        format!("{}[service]\nname = '{name}'\nlease_seconds = 3\n", self.cloud.settings(None))
    }

    /// Returns song, event and airing of each result by stream.
    fn results(&self) -> BTreeMap<String, Vec<(String, String, String)>> {
        let mut results: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, response) in self.cloud.results() {
            let evidence = &response["matches"][0]["evidence"];
            let text = |name: &str| evidence[name].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            let stream = key.split('/').next().unwrap().to_owned();
            results.entry(stream).or_default().push((text("reference"), text("event"), text("airing")));
        }
        results.values_mut().for_each(|all| all.sort());
        results
    }

    /// Returns the responses of a stream, without the keys of their objects.
    fn results_of(&self, stream: &str) -> Vec<Value> {
        let mut results = self.cloud.results();
        results.retain(|(key, _)| key.split('/').next() == Some(stream));
        results.into_iter().map(|(_, response)| response).collect()
    }

    /// Waits for the `final` of each song, and checks that each song is reported once, with the right start and length.
    pub(super) async fn check(&self) {
        let complete = |all: &BTreeMap<_, Vec<_>>| {
            all.len() == STREAMS && all.values().all(|results| results.len() >= 4)
        };
        for (stream, all) in wait_until("all results", || Some(self.results()).filter(complete)).await {
            assert_eq!(all.len(), 4, "{stream}: {all:?}");
            check_broadcast(&self.results_of(&stream), 1_700_000_000.0);
        }
    }
}

/// Returns the number of streams of each worker.
pub(super) fn streams_by_worker(service: &Service<'_>) -> BTreeMap<String, usize> {
    let mut streams_by_worker = BTreeMap::new();
    for stream in service.get("/v1/streams").json()["streams"].as_array().unwrap() {
        let worker = stream["worker"].as_str().unwrap_or("nobody").to_owned();
        *streams_by_worker.entry(worker).or_default() += 1;
    }
    streams_by_worker
}

/// Waits until the worker of this name has all streams.
pub(super) async fn all_streams_at(service: &Service<'_>, name: &str) {
    wait_until("ten streams at work", || {
        (streams_by_worker(service).get(name) == Some(&STREAMS)).then_some(())
    })
    .await;
}

pub(super) fn database(server: &PostgresServer, stage: &Stage) -> String {
    let url = server.create_database("service").unwrap();
    stage.sandbox.run(&["tracks", "export", "songs.jsonl"]).expect(0);
    let mut command = stage.sandbox.command(&["--catalog", &url, "tracks", "import", "songs.jsonl"]);
    assert!(command.output().unwrap().status.success());
    url
}

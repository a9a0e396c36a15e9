//! Several workers with one PostgreSQL: they share streams, replace killed workers, and report each detection exactly once.

use std::time::{Duration, Instant};

use refrain_testkit::PostgresServer;
use serde_json::Value;

use super::broadcasts::{Broadcasts, ENVIRONMENT, STREAMS, all_streams_at, database, streams_by_worker};
use super::cloud::{arn, wait_until};
use crate::serve::Service;

/// Number of segments before the first kill.
const BEFORE: u64 = 11;
/// Number of segments after the last kill.
const AFTER: usize = 2;

/// Runs two workers at a time, kills the older one `kills` times (SIGKILL) at different positions of the songs, and checks that
/// each song of each stream is reported once.
pub(super) async fn kill_workers(kills: usize) {
    let server = PostgresServer::new().unwrap();
    let all = Broadcasts::new().await;
    let url = database(&server, &all.stage);
    let start = |name: &str| Service::on(&all.stage.sandbox, &url, &all.settings(name), &[], &ENVIRONMENT);
    // When one of them dies, the other one can take over all streams.
    let mut workers = vec![start("worker-0"), start("worker-1")];
    workers[1].wait("/readyz", 200);
    wait_until("ten streams at work", || {
        let streams_by_worker = streams_by_worker(&workers[1]);
        (streams_by_worker.values().sum::<usize>() == STREAMS && !streams_by_worker.contains_key("nobody"))
            .then_some(())
    })
    .await;
    all.play_first_song().await;
    let spare = all.stage.clips.len() - BEFORE as usize - AFTER;
    let mut longest = Duration::ZERO;
    for kill in 0..kills {
        let name = format!("worker-{}", kill + 2);
        let mut next = start(&name);
        next.wait("/readyz", 200);
        // The remaining segments are spread over all kills.
        let due = |kill: usize| (spare * kill / kills) as u64;
        all.publish(due(kill + 1) - due(kill));
        let killed = Instant::now();
        workers.remove(0).kill();
        workers.push(next);
        wait_until("all streams at live workers", || {
            let streams_by_worker = streams_by_worker(workers.last()?);
            let alive = |worker: &str| worker == name || worker == format!("worker-{}", kill + 1);
            streams_by_worker.keys().all(|worker| alive(worker)).then_some(())
        })
        .await;
        longest = longest.max(killed.elapsed());
        // Each kill comes at a different time after the streams are claimed. A stream whose workers always die while it
        // starts would be quarantined.
        tokio::time::sleep(Duration::from_millis(kill as u64 * 137 % 1_000)).await;
    }
    all.end(all.stage.clips.len() as u64 - AFTER as u64);
    all.check().await;
    for worker in workers {
        worker.end().expect(0);
    }
    // Nothing was reported twice when the workers ended.
    all.check().await;
    assert!(longest < Duration::from_secs(15), "taken over after {longest:?}");
}

/// Stops the database for this time while the first song ends and the second one starts, and checks all reports.
pub(super) async fn stop_database(seconds: u64) {
    let mut server = PostgresServer::new().unwrap();
    let all = Broadcasts::new().await;
    let url = database(&server, &all.stage);
    let mut service = Service::on(&all.stage.sandbox, &url, &all.settings("only"), &[], &ENVIRONMENT);
    service.wait("/readyz", 200);
    all_streams_at(&service, "only").await;
    all.play_first_song().await;
    let stopped = Instant::now();
    server.kill().unwrap();
    all.publish(4);
    service.wait("/readyz", 503);
    tokio::time::sleep(Duration::from_secs(seconds).saturating_sub(stopped.elapsed())).await;
    server.start().unwrap();
    service.wait("/readyz", 200);
    all.end(15);
    all.check().await;
    let metrics = service.get("/metrics").body;
    assert!(metrics.contains("refrain_ready 1"), "{metrics}");
    service.end().expect(0);
    all.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_streams_survive_twenty_kills_of_their_workers() {
    kill_workers(20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn database_restart_loses_no_detections() {
    stop_database(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_worker_releases_its_streams() {
    let server = PostgresServer::new().unwrap();
    let all = Broadcasts::new().await;
    let url = database(&server, &all.stage);
    let mut first = Service::on(&all.stage.sandbox, &url, &all.settings("first"), &[], &ENVIRONMENT);
    first.wait("/readyz", 200);
    all_streams_at(&first, "first").await;
    all.play_first_song().await;
    let mut second = Service::on(&all.stage.sandbox, &url, &all.settings("second"), &[], &ENVIRONMENT);
    second.wait("/readyz", 200);
    let began = Instant::now();
    first.end().expect(0);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    all_streams_at(&second, "second").await;
    all.end(11);
    all.check().await;
    let page: Value = second.get("/v1/streams/arn:aws:ivs:eu-west-1:123456789012:channel%2Fch0").json();
    assert_eq!(page["stream"]["id"], arn("ch0"), "{page}");
    second.end().expect(0);
}

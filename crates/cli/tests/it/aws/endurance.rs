//! The same outages as in the tests of workers, but more often and longer. Run them with
//! `scripts/test -p refrain --test it -- --ignored`.

use refrain_testkit::PostgresServer;

use super::broadcasts::{Broadcasts, ENVIRONMENT, all_streams_at, database, streams_by_worker};
use super::cloud::{Gate, wait_until};
use super::workers::{kill_workers, stop_database};
use crate::serve::Service;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes 5 minutes"]
async fn ten_streams_survive_fifty_kills_of_their_workers() {
    kill_workers(50).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn database_outage_of_15_seconds_loses_no_detections() {
    stop_database(15).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn database_outage_of_40_seconds_loses_no_detections() {
    stop_database(40).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes 3 minutes"]
async fn database_outage_of_120_seconds_loses_no_detections() {
    stop_database(120).await;
}

/// No detection is lost or reported twice if the database rejects all writes for lack of space, as on a full disk.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn full_database_disk_loses_no_detections() {
    const FULL: &str = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON refrain.detections EXECUTE FUNCTION full_disk();
        CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON refrain.streams EXECUTE FUNCTION full_disk();
        CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON refrain.outbox EXECUTE FUNCTION full_disk();";
    let server = PostgresServer::new().unwrap();
    let all = Broadcasts::new().await;
    let url = database(&server, &all.stage);
    let mut service = Service::on(&all.stage.sandbox, &url, &all.settings("only"), &[], &ENVIRONMENT);
    service.wait("/readyz", 200);
    all_streams_at(&service, "only").await;
    all.play_first_song().await;
    server.run_sql("service", FULL).unwrap();
    all.publish(7);
    // This is longer than a lease.
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    server.run_sql("service", "DROP FUNCTION full_disk CASCADE").unwrap();
    all.end(18);
    all.check().await;
    service.end().expect(0);
    all.check().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn results_are_delivered_after_an_s3_outage_and_a_kill() {
    let server = PostgresServer::new().unwrap();
    let all = Broadcasts::new().await;
    let gate = Gate::before_s3().await;
    let url = database(&server, &all.stage);
    let settings = format!("{}[service]\nlease_seconds = 3\n", all.cloud.settings(Some(gate.url())));
    let mut service = Service::on(&all.stage.sandbox, &url, &settings, &[], &ENVIRONMENT);
    service.wait("/readyz", 200);
    wait_until("ten streams at work", || (!streams_by_worker(&service).contains_key("nobody")).then_some(()))
        .await;
    all.play_first_song().await;
    gate.shut(true);
    all.publish(7);
    tokio::time::sleep(std::time::Duration::from_secs(40)).await;
    // The worker is killed during the outage of S3. The next worker must deliver its results.
    service.kill();
    let mut service = Service::on(&all.stage.sandbox, &url, &settings, &[], &ENVIRONMENT);
    service.wait("/readyz", 200);
    gate.shut(false);
    all.end(18);
    all.check().await;
    service.end().expect(0);
    all.check().await;
}

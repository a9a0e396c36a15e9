//! Tests of the leases of streams of segments: take-overs and outages of the database. The leases are kept like those of
//! live streams, which `takeover` tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use refrain_catalog::{Catalog, OpenSettings, PostgresSettings, worker_name};
use refrain_service::cloud::CloudErrorKind;
use refrain_service::settings::FilesSettings;
use refrain_testkit::PostgresServer;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::archive::{EPOCH, HOUR, ID, Running, STARTS, check, event_counts, last, put};
use super::{BucketTest, LEASE, files_with, settings};
use crate::process::{catalog, detections, outbox, row, stored_detections, until, with_songs};
use crate::songs::{SECONDS, SILENCE, library};

/// Number of segments up to the middle of the first song.
const MIDDLE: usize = ((SILENCE + SECONDS / 2.0) / 2.0) as usize + 1;

/// Makes the process `x` claim the stream, as if the lease of its worker had expired.
async fn claim_by_another(catalog: &Arc<dyn Catalog>) {
    expire_lease(catalog).await;
    assert_eq!(catalog.journal().claim_archives("x", 1, HOUR).await.unwrap().len(), 1);
}

/// Processes the segments before `count` and waits until the last one is decoded.
async fn process_segments(fixture: &BucketTest, running: &Running, count: usize) {
    for k in 0..count {
        put(&fixture.bucket, k, k, EPOCH);
        running.send_event(k).await;
    }
    let end = Some(count as u64 - 1);
    until("the segments are decoded", async || last(&fixture.catalog).await == end).await;
}

/// Returns the number of the segment with which the first song is detected.
async fn first_detected() -> usize {
    let fixture = BucketTest::new().await;
    let running = Running::waiting(&fixture, "one", HOUR, HOUR);
    for k in 0.. {
        put(&fixture.bucket, k, k, EPOCH);
        running.send_event(k).await;
        until("the segment is decoded", async || last(&fixture.catalog).await == Some(k as u64)).await;
        if !detections(&fixture.catalog, ID).await.is_empty() {
            running.end().await;
            return k;
        }
    }
    unreachable!("the loop has no end")
}

#[tokio::test(flavor = "multi_thread")]
async fn lease_lost_while_a_segment_is_decoded_prevents_its_events() {
    let count = first_detected().await;
    let fixture = BucketTest::new().await;
    let one = Running::waiting(&fixture, "one", HOUR, HOUR);
    process_segments(&fixture, &one, count).await;
    let (catalog, runtime) = (Arc::clone(&fixture.catalog), Handle::current());
    fixture.bucket.after_reads(0, move |_| {
        // The read runs inside the runtime, where waiting for the database needs another thread.
        let claimed = std::thread::spawn(move || runtime.block_on(claim_by_another(&catalog)));
        claimed.join().unwrap();
    });
    put(&fixture.bucket, count, count, EPOCH);
    one.send_event(count).await;
    until("the other process holds the lease", async || {
        row(&fixture.catalog, ID).await.unwrap().lease_owner.as_deref() == Some("x")
    })
    .await;
    sleep(Duration::from_secs(1)).await;
    one.end().await;
    assert_eq!(
        last(&fixture.catalog).await,
        Some(count as u64 - 1),
        "the position is that of the other process"
    );
    assert_eq!(detections(&fixture.catalog, ID).await, []);
    assert_eq!(outbox(&fixture.catalog).await.iter().filter(|one| one.detection.is_some()).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn session_without_a_lease_gets_no_final_events() {
    let fixture = BucketTest::new().await;
    let one = Running::waiting(&fixture, "one", HOUR, Duration::from_secs(1));
    process_segments(&fixture, &one, MIDDLE).await;
    claim_by_another(&fixture.catalog).await;
    sleep(Duration::from_secs(2)).await;
    one.end().await;
    assert!(detections(&fixture.catalog, ID).await.iter().all(|detection| !detection.is_final()));
    assert_eq!(event_counts(&fixture.catalog).await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn session_that_an_operator_stops_gets_its_final_events() {
    for failing_lists in [0, u32::MAX] {
        let fixture = BucketTest::new().await;
        let one = Running::waiting(&fixture, "one", HOUR, HOUR);
        process_segments(&fixture, &one, MIDDLE).await;
        // Without a bucket, the session is retried until it is stopped.
        fixture.bucket.fail("list", failing_lists, CloudErrorKind::Unavailable);
        one.send_event(0).await;
        let journal = fixture.catalog.journal();
        assert!(journal.end_stream(ID, None, Some("stopped by hand"), EPOCH + 3_600_000).await.unwrap());
        until("its airing is final", async || event_counts(&fixture.catalog).await == (1, 1)).await;
        assert!(detections(&fixture.catalog, ID).await.iter().all(refrain_catalog::Detection::is_final));
        assert_eq!(row(&fixture.catalog, ID).await.unwrap().reason.as_deref(), Some("stopped by hand"));
        one.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_that_another_process_claims_counts_as_a_lost_lease() {
    let fixture = BucketTest::new().await;
    let counters = Arc::default();
    let settings = FilesSettings { segment_wait: HOUR, stream_end: HOUR, ..settings() };
    let index = || Arc::clone(&library().snapshot);
    let one = Running::of(files_with(&fixture.catalog, &fixture.bucket, &counters, "one", settings, index));
    process_segments(&fixture, &one, MIDDLE).await;
    claim_by_another(&fixture.catalog).await;
    until("the process has noticed it", async || counters.leases_lost.get() == 1).await;
    assert_eq!(
        (counters.streams.get(), counters.streams_taken_over.get()),
        (0, 0),
        "these are of live streams"
    );
    one.end().await;
    assert_eq!(row(&fixture.catalog, ID).await.unwrap().lease_owner.as_deref(), Some("x"));
}

/// While the database hangs for longer than a lease, no other process takes the session over, and no song is lost.
#[tokio::test(flavor = "multi_thread")]
async fn database_that_hangs_longer_than_a_lease_moves_no_session() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::new().unwrap()).await.unwrap();
    let fixture = BucketTest::new().await;
    let fixture =
        BucketTest { catalog: catalog(&server.create_database("archive").unwrap()).await, ..fixture };
    let one = Running::waiting(&fixture, "one", HOUR, HOUR);
    process_segments(&fixture, &one, MIDDLE).await;
    let other = Running::waiting(&fixture, "other", HOUR, HOUR);
    let hang = format!(
        "BEGIN; LOCK TABLE refrain.streams IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({}); COMMIT",
        2 * LEASE.as_secs()
    );
    let server = tokio::task::spawn_blocking(move || {
        server.run_sql("archive", &hang).unwrap();
        server
    })
    .await
    .unwrap();
    sleep(LEASE).await;
    let owner = row(&fixture.catalog, ID).await.unwrap().lease_owner.unwrap();
    assert_eq!(worker_name(&owner), "one/archive");
    for k in MIDDLE..library().clips.len() {
        put(&fixture.bucket, k, k, EPOCH);
        one.send_event(k).await;
    }
    until("both songs are final", async || event_counts(&fixture.catalog).await.1 == 2).await;
    check(&detections(&fixture.catalog, ID).await, STARTS, EPOCH);
    assert_eq!(event_counts(&fixture.catalog).await, (2, 2));
    other.end().await;
    one.end().await;
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

/// Ends the lease of the stream, as if the lease had expired.
async fn expire_lease(catalog: &Arc<dyn Catalog>) {
    let owner = row(catalog, ID).await.unwrap().lease_owner.unwrap();
    catalog.journal().renew_leases(&owner, Duration::ZERO).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_lose_and_repeat_no_event() {
    let fixture = BucketTest::new().await;
    (0..library().clips.len()).for_each(|k| put(&fixture.bucket, k, k, EPOCH));
    for reads in [3, 4, 5, 3] {
        let killed = Running::waiting(&fixture, "killed", HOUR, HOUR);
        killed.kill_after_reads(&fixture.bucket, reads).await;
        expire_lease(&fixture.catalog).await;
    }
    let other = Running::waiting(&fixture, "other", HOUR, HOUR);
    until("both songs are final", async || event_counts(&fixture.catalog).await.1 == 2).await;
    let found = detections(&fixture.catalog, ID).await;
    assert_eq!(found.iter().map(|detection| detection.detected.track.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(event_counts(&fixture.catalog).await, (2, 2));
    other.end().await;
}

/// Returns the size of the first `count` segments in bytes.
fn size_of_segments(count: usize) -> u64 {
    library().clips.iter().take(count).map(|clip| clip.bytes.len() as u64).sum()
}

/// The process that ends finishes the segment that it is decoding, so no process decodes it again.
#[tokio::test(flavor = "multi_thread")]
async fn take_over_between_two_segments_decodes_each_segment_once() {
    let fixture = BucketTest::new().await;
    let one = Running::waiting(&fixture, "one", HOUR, HOUR);
    process_segments(&fixture, &one, MIDDLE).await;
    let (stop, stopped) = (one.stop_token(), one.stop_token());
    fixture.bucket.after_reads(0, move |_| stop.cancel());
    put(&fixture.bucket, MIDDLE, MIDDLE, EPOCH);
    one.send_event(MIDDLE).await;
    stopped.cancelled().await;
    one.end().await;
    assert_eq!(last(&fixture.catalog).await, Some(MIDDLE as u64));
    assert_eq!(row(&fixture.catalog, ID).await.unwrap().lease_owner, None);
    let started = stored_detections(&fixture.catalog, ID).await;
    let other = Running::waiting(&fixture, "other", HOUR, HOUR);
    process_segments(&fixture, &other, library().clips.len()).await;
    until("both songs are final", async || event_counts(&fixture.catalog).await.1 == 2).await;
    check(&detections(&fixture.catalog, ID).await, STARTS, EPOCH);
    let found = stored_detections(&fixture.catalog, ID).await;
    assert_eq!(found[0].detection.id, started[0].detection.id);
    assert_eq!(found[0].first_seen, started[0].first_seen);
    assert_eq!(event_counts(&fixture.catalog).await, (2, 2));
    assert_eq!(fixture.bucket.bytes_read(), size_of_segments(library().clips.len()));
    other.end().await;
}

/// The database becomes unavailable while a segment is decoded, with which a song is detected. The result is stored when
/// the database is available again.
#[tokio::test(flavor = "multi_thread")]
async fn segment_that_was_decoded_in_an_outage_of_the_database_is_stored_once() {
    let count = first_detected().await;
    let server = tokio::task::spawn_blocking(|| PostgresServer::new().unwrap()).await.unwrap();
    let url = server.create_database("archive").unwrap();
    // Calls fail soon, so that the recording is retried.
    let time = Duration::from_millis(200);
    let postgres = PostgresSettings { acquire_timeout: time, retry_for: time, ..PostgresSettings::default() };
    let opened = refrain_catalog::open_with(&url, &OpenSettings { postgres }).await.unwrap();
    let fixture = BucketTest { catalog: with_songs(opened).await, ..BucketTest::new().await };
    let one = Running::waiting(&fixture, "one", HOUR, HOUR);
    process_segments(&fixture, &one, count).await;
    let server = Arc::new(Mutex::new(server));
    let stopped = Arc::clone(&server);
    fixture.bucket.after_reads(0, move |_| stopped.lock().unwrap().stop().unwrap());
    put(&fixture.bucket, count, count, EPOCH);
    one.send_event(count).await;
    let size = size_of_segments(count + 1);
    until("the segment is read", async || fixture.bucket.bytes_read() == size).await;
    // The first attempts to store it fail.
    sleep(Duration::from_secs(2)).await;
    let server = tokio::task::spawn_blocking(move || {
        server.lock().unwrap().start().unwrap();
        server
    })
    .await
    .unwrap();
    until("the segment is stored", async || last(&fixture.catalog).await == Some(count as u64)).await;
    assert_eq!((fixture.bucket.bytes_read(), event_counts(&fixture.catalog).await), (size, (1, 0)));
    process_segments(&fixture, &one, library().clips.len()).await;
    until("both songs are final", async || event_counts(&fixture.catalog).await.1 == 2).await;
    check(&detections(&fixture.catalog, ID).await, STARTS, EPOCH);
    assert_eq!(event_counts(&fixture.catalog).await, (2, 2));
    assert_eq!(fixture.bucket.bytes_read(), size_of_segments(library().clips.len()));
    one.end().await;
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

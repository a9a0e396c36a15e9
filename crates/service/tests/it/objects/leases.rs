//! Tests of the leases of streams of segments.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::Catalog;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::BucketTest;
use super::archive::{EPOCH, HOUR, ID, Running, event_counts, last, put};
use crate::process::{detections, outbox, row, until};
use crate::songs::{SECONDS, SILENCE};

/// Makes the process `x` claim the stream, as if the lease of its worker had expired.
async fn claim_by_another(catalog: &Arc<dyn Catalog>) {
    let owner = row(catalog, ID).await.unwrap().lease_owner.unwrap();
    catalog.journal().renew_leases(&owner, Duration::ZERO).await.unwrap();
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
    // Up to the middle of the first song.
    process_segments(&fixture, &one, ((SILENCE + SECONDS / 2.0) / 2.0) as usize + 1).await;
    claim_by_another(&fixture.catalog).await;
    sleep(Duration::from_secs(2)).await;
    one.end().await;
    assert!(detections(&fixture.catalog, ID).await.iter().all(|detection| !detection.is_final));
    assert_eq!(event_counts(&fixture.catalog).await, (1, 0));
}

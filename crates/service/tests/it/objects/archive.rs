//! Tests of streams whose segments are objects in a bucket.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Catalog, Detection, StreamState};
use refrain_service::cloud::CloudErrorKind;
use refrain_service::counters::Counters;
use refrain_service::files::Files;
use refrain_service::queue_consumer::{Disposition, Handler};
use refrain_service::settings::FilesSettings;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::bucket::Bucket;
use super::{BucketTest, created, files, files_with, settings};
use crate::process::{detections, outbox, row, stored_detections, until};
use crate::songs::{SECONDS, SILENCE, library};

/// Time of day of the first segment's start, milliseconds since 1970.
pub(super) const EPOCH: i64 = 1_700_000_000_000;

/// Longer than any test takes.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// Length of a segment in milliseconds.
pub(super) const LENGTH: i64 = 2_000;

/// Id of the stream in the journal.
pub(super) const ID: &str = "s3://b/songs_to_check/streams/tv/main_news_1";

pub(super) fn key(counter: usize) -> String {
    format!("songs_to_check/streams/tv/main_news_1.{counter:06}.ts")
}

/// Puts a segment of the broadcast as number `counter` of a stream that began at `began`, milliseconds since 1970.
pub(super) fn put(bucket: &Bucket, clip: usize, counter: usize, began: i64) {
    let bytes = library().clips[clip].bytes.clone();
    bucket.put_at(&key(counter), bytes, began + (counter as i64 + 1) * LENGTH);
}

/// A running process.
pub(super) struct Running {
    handler: Arc<dyn Handler>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(super) fn start(fixture: &BucketTest, name: &str) -> Self {
        Self::of(files(&fixture.catalog, &fixture.bucket, &Arc::new(Counters::default()), name))
    }

    /// Starts a process that waits for a missing segment for `segment_wait`, and for the next one for `stream_end`.
    pub(super) fn waiting(
        fixture: &BucketTest,
        name: &str,
        segment_wait: Duration,
        stream_end: Duration,
    ) -> Self {
        let settings = FilesSettings { segment_wait, stream_end, ..settings() };
        let index = || Arc::clone(&library().snapshot);
        Self::of(files_with(&fixture.catalog, &fixture.bucket, &Arc::default(), name, settings, index))
    }

    pub(super) fn of(files: Files) -> Self {
        let (handler, stop) = (files.handler(), CancellationToken::new());
        let task = tokio::spawn(files.run(stop.clone()));
        Self { handler, stop, task }
    }

    /// Returns the token that ends the process, as SIGTERM does.
    pub(super) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Kills the process after `reads` reads of segments, as `kill -9` does. Returns after its end.
    pub(super) async fn kill_after_reads(self, bucket: &Bucket, reads: u32) {
        let task = self.task.abort_handle();
        bucket.after_reads(reads, move |_| task.abort());
        self.send_event(0).await;
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// Ends the process as SIGTERM does.
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    pub(super) async fn send_event(&self, counter: usize) {
        assert_eq!(self.handler.handle(&created(&key(counter))).await, Disposition::Ack);
    }
}

async fn is_over(catalog: &Arc<dyn Catalog>) -> bool {
    row(catalog, ID).await.is_some_and(|row| row.state == StreamState::Ended)
}

/// Returns the number of the last segment that was decoded, as stored in the row.
pub(super) async fn last(catalog: &Arc<dyn Catalog>) -> Option<u64> {
    let row = row(catalog, ID).await?;
    assert!(row.reason.is_none_or(|why| !why.starts_with('{')), "the reason is text for people");
    serde_json::from_str::<serde_json::Value>(&row.progress?).ok()?["last"].as_u64()
}

/// Checks that each of the two songs was detected once, and starts at these seconds of the stream.
pub(super) fn check(found: &[Detection], starts: [f64; 2], began: i64) {
    assert_eq!(found.len(), 2, "{found:?}");
    for ((detection, start), track) in found.iter().zip(starts).zip(1..) {
        assert!(detection.is_final() && detection.detected.track.0 == track, "{detection:?}");
        let near = |value: f64, wanted: f64| (value - wanted).abs() < 0.6;
        assert!(
            near(detection.detected.query_start, start)
                && near(detection.detected.query_end, start + SECONDS),
            "{detection:?}"
        );
        let epoch = (detection.start_at() - began) as f64 / 1000.0;
        assert!(near(epoch, start), "{epoch} of {start}");
    }
}

pub(super) const STARTS: [f64; 2] = [SILENCE, 2.0 * SILENCE + SECONDS];

/// Returns the numbers of start and final events in the outbox.
pub(super) async fn event_counts(catalog: &Arc<dyn Catalog>) -> (usize, usize) {
    let all = outbox(catalog).await;
    let of = |event: &str| {
        let holds = format!("\"event\":\"{event}\"");
        all.iter().filter(|delivery| delivery.sink == "all" && delivery.payload.contains(&holds)).count()
    };
    (of("start"), of("final"))
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_in_any_order_are_one_stream() {
    let fixture = BucketTest::new().await;
    let one = Running::waiting(&fixture, "one", HOUR, HOUR);
    let count = library().clips.len();
    // The order is 2, 0, 1, 5, 3, 4 and so on; each event arrives twice.
    let order = (0..count + 1).map(|k| (k / 3 * 3) + (k + 2) % 3).filter(|k| *k < count);
    let mut events_sent = 0;
    for k in order {
        put(&fixture.bucket, k, k, EPOCH);
        one.send_event(k).await;
        one.send_event(k).await;
        events_sent += 1;
    }
    let end = Some(count as u64 - 1);
    until("all segments are decoded", async || last(&fixture.catalog).await == end).await;
    assert_eq!((events_sent, row(&fixture.catalog, ID).await.unwrap().state), (count, StreamState::Live));
    one.end().await;
    // The lease was released at once, so another process finds that no more segments arrive.
    let running = Running::start(&fixture, "other");
    until("the stream ended", || is_over(&fixture.catalog)).await;
    check(&detections(&fixture.catalog, ID).await, STARTS, EPOCH);
    assert_eq!((last(&fixture.catalog).await, event_counts(&fixture.catalog).await), (end, (2, 2)));
    let names = outbox(&fixture.catalog).await;
    assert!(
        names.iter().any(|delivery| delivery.payload.contains(r#"\"unknownAssetID\":\"tv/main_news\""#)),
        "{names:?}"
    );
    // A late copy of an event does not start the stream again.
    running.send_event(3).await;
    assert!(is_over(&fixture.catalog).await);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_segment_is_a_gap_of_its_length() {
    let fixture = BucketTest::new().await;
    let count = library().clips.len();
    // One missing segment is in the silence between the songs; the other one is the first of the stream.
    let missing = ((SILENCE + SECONDS + 0.5 * SILENCE) / 2.0) as usize;
    (1..count).filter(|k| *k != missing).for_each(|k| put(&fixture.bucket, k, k, EPOCH));
    let running = Running::waiting(&fixture, "one", Duration::from_millis(400), Duration::from_secs(4));
    running.send_event(7).await;
    until("the stream ended", || is_over(&fixture.catalog)).await;
    let began = EPOCH + LENGTH;
    check(&detections(&fixture.catalog, ID).await, STARTS.map(|start| start - 2.0), began);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counter_that_restarts_is_another_session() {
    let fixture = BucketTest::new().await;
    let running = Running::waiting(&fixture, "one", Duration::from_millis(400), HOUR);
    let count = library().clips.len();
    for (session, began) in [EPOCH, EPOCH + 3_600_000].into_iter().enumerate() {
        for k in 0..count {
            put(&fixture.bucket, k, k, began);
            running.send_event(k).await;
        }
        until("both songs of a session are final", async || {
            detections(&fixture.catalog, ID).await.iter().filter(|d| d.is_final()).count()
                == 2 * (session + 1)
        })
        .await;
    }
    let found = detections(&fixture.catalog, ID).await;
    check(&found[..2], STARTS, EPOCH);
    check(&found[2..], STARTS, EPOCH + 3_600_000);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_continues_the_same_airing() {
    let fixture = BucketTest::new().await;
    let one = Running::waiting(&fixture, "one", HOUR, HOUR);
    let count = library().clips.len();
    // Up to the middle of the first song.
    let half = ((SILENCE + SECONDS / 2.0) / 2.0) as u64;
    for k in 0..count {
        put(&fixture.bucket, k, k, EPOCH);
        if k as u64 <= half {
            one.send_event(k).await;
        }
        if k as u64 == half {
            until("half a song is decoded", async || last(&fixture.catalog).await >= Some(half)).await;
            until("its start is reported", async || event_counts(&fixture.catalog).await.0 == 1).await;
            // As after `kill -9`: the lease is not released.
            one.task.abort();
        }
    }
    let started = stored_detections(&fixture.catalog, ID).await;
    let other = Running::start(&fixture, "other");
    until("the stream ended", || is_over(&fixture.catalog)).await;
    check(&detections(&fixture.catalog, ID).await, STARTS, EPOCH);
    let first = stored_detections(&fixture.catalog, ID).await.remove(0);
    let before = &started[0];
    assert_eq!((first.detection.id, first.first_seen), (before.detection.id, before.first_seen));
    assert_eq!(event_counts(&fixture.catalog).await, (2, 2));
    other.end().await;
}

/// A process skips a missing segment and hands its stream over. The segment that arrives then does not restart the counter.
#[tokio::test(flavor = "multi_thread")]
async fn skipped_segment_that_arrives_after_a_take_over_begins_no_session() {
    let fixture = BucketTest::new().await;
    (0..5).filter(|k| *k != 2).for_each(|k| put(&fixture.bucket, k, k, EPOCH));
    let one = Running::waiting(&fixture, "one", Duration::from_millis(400), HOUR);
    one.send_event(0).await;
    until("the missing segment is skipped", async || last(&fixture.catalog).await == Some(4)).await;
    one.end().await;
    put(&fixture.bucket, 2, 2, EPOCH + 60_000);
    put(&fixture.bucket, 5, 5, EPOCH + 120_000);
    let other = Running::waiting(&fixture, "other", Duration::from_millis(400), HOUR);
    other.send_event(2).await;
    until("the next segment is decoded", async || last(&fixture.catalog).await >= Some(5)).await;
    let row = row(&fixture.catalog, ID).await.unwrap();
    assert_eq!((row.started_at, row.state), (EPOCH + LENGTH, StreamState::Live));
    other.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_without_audio_is_a_gap_and_unavailable_bucket_only_delays() {
    let fixture = BucketTest::new().await;
    let bad = ((SILENCE + SECONDS + 0.5 * SILENCE) / 2.0) as usize;
    for k in 0..library().clips.len() {
        if k == bad {
            fixture.bucket.put_at(&key(k), "<html>", EPOCH + (k as i64 + 1) * LENGTH);
        } else {
            put(&fixture.bucket, k, k, EPOCH);
        }
    }
    fixture.bucket.fail("read", 2, CloudErrorKind::Unavailable);
    let running = Running::start(&fixture, "one");
    running.send_event(0).await;
    until("the stream ended", || is_over(&fixture.catalog)).await;
    check(&detections(&fixture.catalog, ID).await, STARTS, EPOCH);
    running.end().await;
}

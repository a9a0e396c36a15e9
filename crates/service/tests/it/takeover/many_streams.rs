//! Tests with as many streams as two workers share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{Catalog, Detection, StreamState};
use refrain_testkit::PostgresServer;
use refrain_testkit::origin::{LiveOptions, LiveStream, Origin};

use super::{LONG, SHORT, owned};
use crate::process::{Process, add, catalog, detections, fast_settings, outbox, rows, sqlite, until};
use crate::songs::{SECONDS, SILENCE, library};

/// Number of streams in most tests.
const STREAMS: usize = 10;

/// Streams that all send the same segments when a test publishes them.
struct Broadcast {
    _origin: Origin,
    streams: Vec<LiveStream>,
}

impl Broadcast {
    async fn begin(catalog: &Arc<dyn Catalog>) -> Self {
        let origin = Origin::start().await.unwrap();
        let mut streams = Vec::new();
        for n in 0..STREAMS {
            let options = LiveOptions { window: 1000, ..LiveOptions::default() };
            let live = LiveStream::manual(Arc::clone(&library().clips), 3, options);
            add(catalog, &format!("s{n}"), &origin.live(&format!("/s{n}"), &live)).await;
            streams.push(live);
        }
        Self { _origin: origin, streams }
    }

    fn publish(&self, segments: u64) {
        self.streams.iter().for_each(|live| live.publish(segments));
    }

    /// Publishes the remaining segments and ends the playlists.
    fn end(&self) {
        for live in &self.streams {
            live.publish(library().clips.len() as u64 - live.published());
            live.change(|options| options.end = true);
        }
    }
}

/// Waits until the first song of every stream is stored.
async fn until_first_songs(catalog: &Arc<dyn Catalog>) {
    until("the first song of each is stored", || async {
        let mut known = 0;
        for n in 0..STREAMS {
            known += usize::from(!detections(catalog, &format!("s{n}")).await.is_empty());
        }
        known == STREAMS
    })
    .await;
}

/// Waits for the end of all streams and checks that each song was reported once for each of them.
async fn check(catalog: &Arc<dyn Catalog>) {
    until("all streams have ended", || async {
        rows(catalog).await.iter().all(|row| row.state == StreamState::Ended)
    })
    .await;
    let messages = outbox(catalog).await;
    for n in 0..STREAMS {
        let all = detections(catalog, &format!("s{n}")).await;
        let tracks: Vec<u32> = all.iter().map(|one| one.detected.track.0).collect();
        assert_eq!(tracks, [1, 2], "s{n}: {all:?}");
        for (one, at) in all.iter().zip([SILENCE, 2.0 * SILENCE + SECONDS]) {
            assert!(one.is_final(), "{one:?}");
            assert!((one.epoch() - 1_700_000_000.0 - at).abs() < 0.5, "{one:?}");
            assert!((one.end_at() - one.start_at() - (SECONDS * 1000.0) as i64).abs() < 500, "{one:?}");
            assert!(
                (one.detected.query_start - at).abs() < 0.5,
                "since the first sample of the session: {one:?}"
            );
            let messages: Vec<_> =
                messages.iter().filter(|message| message.detection == Some(one.id)).map(|m| &m.key).collect();
            assert_eq!(messages.len(), 2, "a start and a final: {messages:?}");
        }
    }
}

async fn streams_of_a_killed_worker_are_taken_over(catalog: Arc<dyn Catalog>) {
    let broadcast = Broadcast::begin(&catalog).await;
    let one = Process::start(&catalog, "one", None, fast_settings(5, SHORT));
    until("one has reached its capacity", || async { owned(&catalog, "one").await == 5 }).await;
    let other = Process::start(&catalog, "other", None, fast_settings(100, SHORT));
    until("each stream is followed", || async { one.count_decoding(3) == 5 && other.count_decoding(3) == 5 })
        .await;
    assert_eq!((owned(&catalog, "one").await, owned(&catalog, "other").await), (5, 5));
    broadcast.publish(5);
    until_first_songs(&catalog).await;
    one.kill();
    let killed = Instant::now();
    until("the other one follows all", || async { owned(&catalog, "other").await == STREAMS }).await;
    let duration = killed.elapsed();
    assert!(duration < SHORT + Duration::from_secs(5), "{duration:?}");
    until("the live edge is decoded", || async { other.count_decoding(3) == STREAMS }).await;
    assert_eq!(other.counters.streams_taken_over.get(), 5);
    broadcast.end();
    check(&catalog).await;
    assert_eq!(other.counters.airings.get(), 5 + STREAMS as u64, "the killed worker found five first songs");
    assert_eq!(other.counters.leases_lost.get(), 0);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_a_killed_worker_are_taken_over_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    streams_of_a_killed_worker_are_taken_over(sqlite(folder.path()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_a_killed_worker_are_taken_over_in_postgres() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::new().unwrap()).await.unwrap();
    let url = server.create_database("streams").unwrap();
    streams_of_a_killed_worker_are_taken_over(catalog(&url).await).await;
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn graceful_shutdown_releases_leases() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let broadcast = Broadcast::begin(&catalog).await;
    // Expired leases cannot explain a take-over, because they are longer than the test.
    let one = Process::start(&catalog, "one", None, fast_settings(100, LONG));
    until("each stream is followed", || async { one.count_decoding(3) == STREAMS }).await;
    broadcast.publish(5);
    until_first_songs(&catalog).await;
    let other = Process::start(&catalog, "other", None, fast_settings(100, LONG));
    one.stop().await;
    assert_eq!(owned(&catalog, "one").await, 0, "released, not expired");
    let open: Vec<bool> = detections(&catalog, "s0").await.iter().map(Detection::is_final).collect();
    assert_eq!(open, [false], "its airing stays open");
    until("the other one decodes all", || async { other.count_decoding(3) == STREAMS }).await;
    broadcast.end();
    check(&catalog).await;
    let owners: Vec<_> = rows(&catalog).await.into_iter().filter_map(|row| row.lease_owner).collect();
    assert_eq!(owners, Vec::<String>::new(), "ended streams have no lease");
    other.stop().await;
}

//! Streams among processes: each followed by one, taken over, handed back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{Catalog, StreamState};
use refrain_testkit::PostgresServer;
use refrain_testkit::origin::{LiveOptions, LiveStream, Origin};

use crate::process::{PATIENCE, Process, add, catalog, hasty, heard, outbox, rows, sqlite, until};
use crate::songs::{SECONDS, SILENCE, library};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3600);

/// Shortest lease of the settings.
const SHORT: Duration = Duration::from_secs(3);

/// Streams of a test.
const STREAMS: usize = 10;

/// Streams that all send the same when they are told to.
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

    /// Tells the rest, and that it was all.
    fn end(&self) {
        for live in &self.streams {
            live.publish(library().clips.len() as u64 - live.published());
            live.change(|options| options.end = true);
        }
    }
}

async fn owned(catalog: &Arc<dyn Catalog>, owner: &str) -> usize {
    rows(catalog).await.iter().filter(|row| row.lease_owner.as_deref() == Some(owner)).count()
}

/// Waits until the first song is written down of every stream.
async fn first_song(catalog: &Arc<dyn Catalog>) {
    until("the first song is known everywhere", || async {
        let mut known = 0;
        for n in 0..STREAMS {
            known += usize::from(!heard(catalog, &format!("s{n}")).await.is_empty());
        }
        known == STREAMS
    })
    .await;
}

/// Waits for the end of all streams, and checks that each song was told once of each.
async fn check(catalog: &Arc<dyn Catalog>) {
    until("all streams are over", || async {
        rows(catalog).await.iter().all(|row| row.state == StreamState::Ended)
    })
    .await;
    let told = outbox(catalog).await;
    for n in 0..STREAMS {
        let all = heard(catalog, &format!("s{n}")).await;
        let tracks: Vec<u32> = all.iter().map(|one| one.track.0).collect();
        assert_eq!(tracks, [1, 2], "s{n}: {all:?}");
        for (one, at) in all.iter().zip([SILENCE, 2.0 * SILENCE + SECONDS]) {
            assert!(one.is_final, "{one:?}");
            assert!((one.start_at as f64 / 1000.0 - 1_700_000_000.0 - at).abs() < 0.5, "{one:?}");
            assert!((one.end_at - one.start_at - (SECONDS * 1000.0) as i64).abs() < 500, "{one:?}");
            assert!((one.query_start - at).abs() < 0.5, "since the first sample of the session: {one:?}");
            let messages: Vec<_> =
                told.iter().filter(|message| message.detection == Some(one.id)).map(|m| &m.key).collect();
            assert_eq!(messages.len(), 2, "a start and a final: {messages:?}");
        }
    }
}

async fn a_killed_one_is_taken_over(catalog: Arc<dyn Catalog>) {
    let broadcast = Broadcast::begin(&catalog).await;
    let one = Process::start(&catalog, "one", None, hasty(5, SHORT));
    until("one has all it can take", || async { owned(&catalog, "one").await == 5 }).await;
    let other = Process::start(&catalog, "other", None, hasty(100, SHORT));
    until("each stream is followed", || async { one.heard(3) == 5 && other.heard(3) == 5 }).await;
    assert_eq!((owned(&catalog, "one").await, owned(&catalog, "other").await), (5, 5));
    broadcast.publish(5);
    first_song(&catalog).await;
    one.kill();
    let killed = Instant::now();
    until("the other has all", || async { owned(&catalog, "other").await == STREAMS }).await;
    let took = killed.elapsed();
    assert!(took < SHORT + Duration::from_secs(5), "{took:?}");
    assert_eq!(other.measures.streams_taken_over.get(), 5);
    until("the edge is heard", || async { other.heard(3) == STREAMS }).await;
    broadcast.end();
    check(&catalog).await;
    assert_eq!(other.measures.airings.get(), 5 + STREAMS as u64, "five first songs were another's");
    assert_eq!(other.measures.leases_lost.get(), 0);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_one_is_taken_over_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    a_killed_one_is_taken_over(sqlite(folder.path()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_one_is_taken_over_in_postgres() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::new().unwrap()).await.unwrap();
    let url = server.create_database("streams").unwrap();
    a_killed_one_is_taken_over(catalog(&url).await).await;
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_to_stop_hands_all_back_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let broadcast = Broadcast::begin(&catalog).await;
    // Their leases would outlast the test.
    let one = Process::start(&catalog, "one", None, hasty(100, LONG));
    until("each stream is followed", || async { one.heard(3) == STREAMS }).await;
    broadcast.publish(5);
    first_song(&catalog).await;
    let other = Process::start(&catalog, "other", None, hasty(100, LONG));
    one.stop().await;
    let open: Vec<bool> = heard(&catalog, "s0").await.iter().map(|one| one.is_final).collect();
    assert_eq!(open, [false], "its airing goes on");
    until("the other hears all", || async { other.heard(3) == STREAMS }).await;
    broadcast.end();
    check(&catalog).await;
    other.stop().await;
    assert!(PATIENCE < LONG);
}

//! Streams among processes: each followed by one, taken over, handed back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{Catalog, Detection, DetectionId, HeardIn, StreamState, worker_name};
use refrain_testkit::PostgresServer;
use refrain_testkit::origin::{LiveOptions, LiveStream, Origin};

use crate::process::{Process, add, catalog, hasty, heard, outbox, rows, sqlite, until};
use crate::songs::{BROADCAST, SECONDS, SILENCE, library};

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
    rows(catalog)
        .await
        .iter()
        .filter(|row| row.lease_owner.as_deref().map(worker_name) == Some(owner))
        .count()
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
    until("the edge is heard", || async { other.heard(3) == STREAMS }).await;
    assert_eq!(other.measures.streams_taken_over.get(), 5);
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
    assert_eq!(owned(&catalog, "one").await, 0, "handed back, and not left to expire");
    let open: Vec<bool> = heard(&catalog, "s0").await.iter().map(|one| one.is_final).collect();
    assert_eq!(open, [false], "its airing goes on");
    until("the other hears all", || async { other.heard(3) == STREAMS }).await;
    broadcast.end();
    check(&catalog).await;
    let owners: Vec<_> = rows(&catalog).await.into_iter().filter_map(|row| row.lease_owner).collect();
    assert_eq!(owners, Vec::<String>::new(), "streams that are over have no lease");
    other.stop().await;
}

/// Seconds since 1970.
fn today() -> f64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
}

/// A stream that begins now.
fn of_today() -> LiveStream {
    let options = LiveOptions { window: 1000, epoch: today(), ..LiveOptions::default() };
    LiveStream::manual(Arc::clone(&library().clips), 3, options)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_song_that_two_hear_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let (origin, live) = (Origin::start().await.unwrap(), of_today());
    add(&catalog, "s", &origin.live("/s", &live)).await;
    let one = Process::start(&catalog, "one", None, hasty(1, LONG));
    until("it is followed", || async { one.heard(3) == 1 }).await;
    // To the middle of the silence behind the first song.
    live.publish(10);
    until("the song is over", || async { heard(&catalog, "s").await.iter().any(|one| one.is_final) }).await;
    one.stop().await;
    let other = Process::start(&catalog, "other", None, hasty(1, LONG));
    until("its last seconds are heard again", || async { other.heard(3) == 1 }).await;
    live.publish(library().clips.len() as u64 - live.published());
    live.change(|options| options.end = true);
    until("it is over", || async { rows(&catalog).await[0].state == StreamState::Ended }).await;
    let tracks: Vec<u32> = heard(&catalog, "s").await.iter().map(|one| one.track.0).collect();
    assert_eq!(tracks, [1, 2]);
    assert_eq!(outbox(&catalog).await.len(), 4);
    other.stop().await;
}

/// Runs something that waits on a thread that may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A stream is decoded on while the database is away, for longer than its lease. What was decided is written when the
/// database is back: each airing is one chain with the start and the end that it had.
#[tokio::test(flavor = "multi_thread")]
async fn decoding_goes_on_while_the_database_is_away() {
    let server = blocking(|| PostgresServer::new().unwrap()).await;
    let catalog = catalog(&server.create_database("streams").unwrap()).await;
    let (origin, live) = (Origin::start().await.unwrap(), of_today());
    add(&catalog, "s", &origin.live("/s", &live)).await;
    let one = Process::start(&catalog, "one", None, hasty(1, SHORT));
    until("it is followed", || async { one.heard(3) == 1 }).await;
    live.publish(5);
    until("the song is known", || async { !heard(&catalog, "s").await.is_empty() }).await;
    let known = heard(&catalog, "s").await.remove(0);
    let server = blocking(move || {
        let mut server = server;
        server.kill().unwrap();
        server
    })
    .await;
    let away = Instant::now();
    // The first song ends, and the second begins and ends, in the meantime.
    live.publish(library().clips.len() as u64 - live.published());
    let all = library().clips.len() as u64;
    until("all of it is heard", || async { one.heard(all) == 1 }).await;
    until("its lease has expired by far", || async { away.elapsed() > SHORT * 2 }).await;
    assert_eq!(one.heard(all), 1, "it is not given up");
    let server = blocking(move || {
        let mut server = server;
        server.start().unwrap();
        server
    })
    .await;
    until("what was decided is written", || async {
        let all = heard(&catalog, "s").await;
        all.len() == 2 && all.iter().all(|one| one.is_final)
    })
    .await;
    live.change(|options| options.end = true);
    until("it is over", || async { rows(&catalog).await[0].state == StreamState::Ended }).await;
    let airings = heard(&catalog, "s").await;
    assert_eq!(airings[0].id, known.id, "one chain");
    for (one, at) in airings.iter().zip([SILENCE, 2.0 * SILENCE + SECONDS]) {
        let start = one.start_at as f64 / 1000.0 - live.options().epoch;
        assert!((start - at).abs() < 0.5, "{one:?}");
        assert!((one.end_at - one.start_at - (SECONDS * 1000.0) as i64).abs() < 500, "{one:?}");
        let told = outbox(&catalog).await;
        assert_eq!(told.iter().filter(|message| message.detection == Some(one.id)).count(), 2, "{told:?}");
    }
    assert_eq!(one.measures.leases_lost.get(), 0);
    one.stop().await;
    blocking(move || drop(server)).await;
}

/// A worker that was cut off finds its stream at another worker, and adds nothing to it.
#[tokio::test(flavor = "multi_thread")]
async fn worker_that_was_cut_off_adds_nothing_to_a_stream_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let (origin, live) = (Origin::start().await.unwrap(), of_today());
    add(&catalog, "s", &origin.live("/s", &live)).await;
    let one = Process::start(&catalog, "one", None, hasty(1, LONG));
    until("it is followed", || async { one.heard(3) == 1 }).await;
    // As if its lease had expired while it was cut off.
    let row = rows(&catalog).await.remove(0);
    catalog.journal().renew_leases(row.lease_owner.as_deref().unwrap(), Duration::ZERO).await.unwrap();
    let other = Process::start(&catalog, "other", None, hasty(1, LONG));
    until("the other has it", || async { owned(&catalog, "other").await == 1 }).await;
    live.publish(library().clips.len() as u64 - live.published());
    live.change(|options| options.end = true);
    until("it is over", || async { rows(&catalog).await[0].state == StreamState::Ended }).await;
    let tracks: Vec<_> = heard(&catalog, "s").await.iter().map(|one| (one.track.0, one.is_final)).collect();
    assert_eq!(tracks, [(1, true), (2, true)]);
    assert_eq!(outbox(&catalog).await.len(), 4);
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_is_left_to_end_is_ended_as_it_was_known() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    add(&catalog, "s", "http://127.0.0.1:1/x.m3u8").await;
    let track = catalog.by_numbers(&[refrain_catalog::TrackNumber(1)]).await.unwrap().remove(0);
    let open = Detection {
        id: DetectionId::fresh(),
        heard_in: HeardIn::Stream("s".into()),
        track: track.number,
        track_id: track.id,
        query_start: 1.0,
        query_end: 5.0,
        start_at: 2000,
        end_at: 6000,
        reference_start: 0.5,
        speed: 1.0,
        pitch_cents: 0.0,
        false_positive_probability: 1e-30,
        matched_peaks: 100,
        expected_peaks: 120,
        first_seen: 3000,
        last_seen: 6000,
        is_final: false,
        channel: Some("arn:channel".into()),
    };
    catalog.journal().record(&open, &[], 6000).await.unwrap();
    catalog.journal().end_stream("s", None, None, 7000).await.unwrap();
    let one = Process::start(&catalog, "one", None, hasty(1, LONG));
    until("it is final", || async { heard(&catalog, "s").await[0].is_final }).await;
    let last = heard(&catalog, "s").await.remove(0);
    assert_eq!(last, Detection { is_final: true, last_seen: last.last_seen, ..open });
    let told = outbox(&catalog).await;
    assert!(told.len() == 1 && told[0].payload.contains("Song 1"), "{told:?}");
    assert_eq!(last.channel.as_deref(), Some("arn:channel"), "for the key of its message");
    one.stop().await;
}

/// Kills of the test of many.
const KILLS: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn of_many_kills_none_loses_or_doubles_a_song() {
    let lease = Duration::from_millis(1000);
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let (origin, live) = (Origin::start().await.unwrap(), of_today());
    let names = ["a", "b", "c"];
    for name in names {
        add(&catalog, name, &origin.live(&format!("/{name}"), &live)).await;
    }
    let mut one = Process::start(&catalog, "worker 0", None, hasty(9, lease));
    for kill in 1..=KILLS {
        until("all are followed", || async { one.heard(3) == names.len() }).await;
        // Two segments each: so kills come at every part of a song. Each worker decodes up to 60 s again.
        live.publish(2);
        let all = (live.published() - 2).min(30) + 2;
        until("it is heard", || async { one.heard(all) == names.len() }).await;
        one.kill();
        one = Process::start(&catalog, &format!("worker {kill}"), None, hasty(9, lease));
    }
    live.publish(4);
    live.change(|options| options.end = true);
    until("it is over", || async { rows(&catalog).await.iter().all(|row| row.state == StreamState::Ended) })
        .await;
    let length = live.start_of(live.published());
    let told = outbox(&catalog).await;
    for name in names {
        let all = heard(&catalog, name).await;
        let expected = airings_until(length);
        let at = |one: &Detection| (one.start_at as f64 / 1000.0 - live.options().epoch).round();
        let found: Vec<_> = all.iter().map(|one| (one.track.0, at(one))).collect();
        assert_eq!(found, expected, "{all:?}");
        for one in &all {
            let messages = told.iter().filter(|message| message.detection == Some(one.id)).count();
            assert_eq!((one.is_final, messages), (true, 2), "{one:?}");
        }
    }
    one.stop().await;
}

/// Tracks and starts of what plays in so many seconds of the broadcast in a loop.
fn airings_until(length: f64) -> Vec<(u32, f64)> {
    let starts = (0..).map(|loops| f64::from(loops) * BROADCAST);
    let songs = starts.flat_map(|at| [(1, at + SILENCE), (2, at + 2.0 * SILENCE + SECONDS)]);
    songs.take_while(|(_, at)| *at < length - 6.0).map(|(track, at)| (track, at.round())).collect()
}

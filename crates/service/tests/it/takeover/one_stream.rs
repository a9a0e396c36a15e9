//! Tests of what is reported for a stream whose worker is stopped, killed or cut off from the database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{Detection, DetectionId, DetectionSource, StoredDetection, StreamState};
use refrain_core::audio::ClockSource;
use refrain_core::matching::Match;
use refrain_core::matching::live::EventKind;
use refrain_testkit::PostgresServer;
use refrain_testkit::origin::{LiveOptions, LiveStream, Origin};

use super::{LONG, SHORT, owned};
use crate::process::{
    Process, add, catalog, detections, fast_settings, outbox, rows, sqlite, stored_detections, until,
};
use crate::songs::{BROADCAST, SECONDS, SILENCE, library};

/// Returns the current time, seconds since 1970.
fn now_seconds() -> f64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
}

/// Creates a stream that begins now.
fn stream_from_now() -> LiveStream {
    let options = LiveOptions { window: 1000, epoch: now_seconds(), ..LiveOptions::default() };
    LiveStream::manual(Arc::clone(&library().clips), 3, options)
}

#[tokio::test(flavor = "multi_thread")]
async fn song_end_decoded_by_two_workers_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let (origin, live) = (Origin::start().await.unwrap(), stream_from_now());
    add(&catalog, "s", &origin.live("/s", &live)).await;
    let one = Process::start(&catalog, "one", None, fast_settings(1, LONG));
    until("the stream is followed", || async { one.count_decoding(3) == 1 }).await;
    // Up to the middle of the silence after the first song.
    live.publish(10);
    until("the song has ended", || async { detections(&catalog, "s").await.iter().any(Detection::is_final) })
        .await;
    one.stop().await;
    let other = Process::start(&catalog, "other", None, fast_settings(1, LONG));
    until("its last seconds are decoded again", || async { other.count_decoding(3) == 1 }).await;
    live.publish(library().clips.len() as u64 - live.published());
    live.change(|options| options.end = true);
    until("it has ended", || async { rows(&catalog).await[0].state == StreamState::Ended }).await;
    let tracks: Vec<u32> = detections(&catalog, "s").await.iter().map(|one| one.detected.track.0).collect();
    assert_eq!(tracks, [1, 2]);
    assert_eq!(outbox(&catalog).await.len(), 4);
    other.stop().await;
}

/// Runs blocking work on a thread where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// While the database is unavailable for longer than a lease, decoding continues. The events are written when the
/// database is back: each airing has one chain of events with the start and the end that it had.
#[tokio::test(flavor = "multi_thread")]
async fn decoding_continues_while_the_database_is_unavailable() {
    let server = blocking(|| PostgresServer::new().unwrap()).await;
    let catalog = catalog(&server.create_database("streams").unwrap()).await;
    let (origin, live) = (Origin::start().await.unwrap(), stream_from_now());
    add(&catalog, "s", &origin.live("/s", &live)).await;
    let one = Process::start(&catalog, "one", None, fast_settings(1, SHORT));
    until("the stream is followed", || async { one.count_decoding(3) == 1 }).await;
    live.publish(5);
    until("the song is stored", || async { !detections(&catalog, "s").await.is_empty() }).await;
    let known = detections(&catalog, "s").await.remove(0);
    let server = blocking(move || {
        let mut server = server;
        server.kill().unwrap();
        server
    })
    .await;
    let outage_start = Instant::now();
    // The first song ends, and the second one begins and ends, during the outage.
    live.publish(library().clips.len() as u64 - live.published());
    let all = library().clips.len() as u64;
    until("all of it is decoded", || async { one.count_decoding(all) == 1 }).await;
    until("its lease has expired long ago", || async { outage_start.elapsed() > SHORT * 2 }).await;
    assert_eq!(one.count_decoding(all), 1, "it is still followed");
    let server = blocking(move || {
        let mut server = server;
        server.start().unwrap();
        server
    })
    .await;
    until("the events are written", || async {
        let all = detections(&catalog, "s").await;
        all.len() == 2 && all.iter().all(Detection::is_final)
    })
    .await;
    live.change(|options| options.end = true);
    until("it has ended", || async { rows(&catalog).await[0].state == StreamState::Ended }).await;
    let airings = detections(&catalog, "s").await;
    assert_eq!(airings[0].id, known.id, "one chain");
    for (one, at) in airings.iter().zip([SILENCE, 2.0 * SILENCE + SECONDS]) {
        let start = one.epoch() - live.options().epoch;
        assert!((start - at).abs() < 0.5, "{one:?}");
        assert!((one.end_at() - one.start_at() - (SECONDS * 1000.0) as i64).abs() < 500, "{one:?}");
        let messages = outbox(&catalog).await;
        assert_eq!(
            messages.iter().filter(|message| message.detection == Some(one.id)).count(),
            2,
            "{messages:?}"
        );
    }
    assert_eq!(one.counters.leases_lost.get(), 0);
    one.stop().await;
    blocking(move || drop(server)).await;
}

/// A worker that was cut off from the database writes nothing for a stream that another worker has taken over.
#[tokio::test(flavor = "multi_thread")]
async fn worker_that_was_cut_off_adds_nothing_to_a_stream_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let (origin, live) = (Origin::start().await.unwrap(), stream_from_now());
    add(&catalog, "s", &origin.live("/s", &live)).await;
    let one = Process::start(&catalog, "one", None, fast_settings(1, LONG));
    until("the stream is followed", || async { one.count_decoding(3) == 1 }).await;
    // As if its lease had expired while it was cut off.
    let row = rows(&catalog).await.remove(0);
    catalog.journal().renew_leases(row.lease_owner.as_deref().unwrap(), Duration::ZERO).await.unwrap();
    let other = Process::start(&catalog, "other", None, fast_settings(1, LONG));
    until("the other one has its lease", || async { owned(&catalog, "other").await == 1 }).await;
    live.publish(library().clips.len() as u64 - live.published());
    live.change(|options| options.end = true);
    until("it has ended", || async { rows(&catalog).await[0].state == StreamState::Ended }).await;
    let tracks: Vec<_> =
        detections(&catalog, "s").await.iter().map(|one| (one.detected.track.0, one.is_final())).collect();
    assert_eq!(tracks, [(1, true), (2, true)]);
    assert_eq!(outbox(&catalog).await.len(), 4);
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_airing_without_a_worker_ends_at_its_last_reported_end() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    add(&catalog, "s", "http://127.0.0.1:1/x.m3u8").await;
    let track = catalog.by_numbers(&[refrain_catalog::TrackNumber(1)]).await.unwrap().remove(0);
    let detection = Detection {
        id: DetectionId::generate(),
        kind: EventKind::Update,
        detected: Match {
            track: track.number,
            query_start: 1.0,
            query_end: 5.0,
            reference_start: 0.5,
            speed: 1.0,
            pitch_cents: 0.0,
            false_positive_probability: 1e-30,
            aligned_landmarks: 77,
            matched_peaks: 100,
            expected_peaks: 120,
            segments: Vec::new(),
        },
        reference_end: 4.5,
        current_speed: 1.0,
        origin: 1.0,
        known_at: 5.5,
        clock: Some(ClockSource::Arrival),
        clock_offset: None,
        missing_seconds: 0.0,
    };
    let open = StoredDetection {
        detection,
        detected_in: DetectionSource::Stream("s".into()),
        track_id: track.id,
        channel: Some("arn:channel".into()),
        first_seen: 3000,
        last_seen: 6000,
    };
    catalog.journal().record(&open, &[], 6000).await.unwrap();
    catalog.journal().end_stream("s", None, None, 7000).await.unwrap();
    let one = Process::start(&catalog, "one", None, fast_settings(1, LONG));
    until("the airing is final", || async { detections(&catalog, "s").await[0].is_final() }).await;
    let last = stored_detections(&catalog, "s").await.remove(0);
    let ended = Detection { kind: EventKind::Final, ..open.detection };
    assert_eq!(last, StoredDetection { detection: ended, last_seen: last.last_seen, ..open });
    let messages = outbox(&catalog).await;
    assert!(messages.len() == 1 && messages[0].payload.contains("Song 1"), "{messages:?}");
    for field in [r#"\"alignedLandmarks\":77"#, r#"\"clock\":\"arrival\""#] {
        assert!(messages[0].payload.contains(field), "{field} in {messages:?}");
    }
    assert_eq!(last.channel.as_deref(), Some("arn:channel"), "for the key of its message");
    one.stop().await;
}

/// Number of kills in the following test.
const KILLS: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn many_kills_neither_lose_nor_duplicate_a_song() {
    let lease = Duration::from_millis(1000);
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let (origin, live) = (Origin::start().await.unwrap(), stream_from_now());
    let names = ["a", "b", "c"];
    for name in names {
        add(&catalog, name, &origin.live(&format!("/{name}"), &live)).await;
    }
    let mut one = Process::start(&catalog, "worker 0", None, fast_settings(9, lease));
    for kill in 1..=KILLS {
        until("all are followed", || async { one.count_decoding(3) == names.len() }).await;
        // Two segments before each kill, so that kills occur at every part of a song. Each worker decodes up to 60 s
        // again.
        live.publish(2);
        let all = (live.published() - 2).min(30) + 2;
        until("they are decoded", || async { one.count_decoding(all) == names.len() }).await;
        one.kill();
        one = Process::start(&catalog, &format!("worker {kill}"), None, fast_settings(9, lease));
    }
    live.publish(4);
    live.change(|options| options.end = true);
    until("they ended", || async { rows(&catalog).await.iter().all(|row| row.state == StreamState::Ended) })
        .await;
    let length = live.start_of(live.published());
    let messages = outbox(&catalog).await;
    for name in names {
        let all = detections(&catalog, name).await;
        let expected = airings_until(length);
        let at = |one: &Detection| (one.epoch() - live.options().epoch).round();
        let found: Vec<_> = all.iter().map(|one| (one.detected.track.0, at(one))).collect();
        assert_eq!(found, expected, "{all:?}");
        for one in &all {
            let messages = messages.iter().filter(|message| message.detection == Some(one.id)).count();
            assert_eq!((one.is_final(), messages), (true, 2), "{one:?}");
        }
    }
    one.stop().await;
}

/// Returns the tracks and the starts of the songs in the first `length` seconds of the repeated broadcast.
fn airings_until(length: f64) -> Vec<(u32, f64)> {
    let starts = (0..).map(|loops| f64::from(loops) * BROADCAST);
    let songs = starts.flat_map(|at| [(1, at + SILENCE), (2, at + 2.0 * SILENCE + SECONDS)]);
    songs.take_while(|(_, at)| *at < length - 6.0).map(|(track, at)| (track, at.round())).collect()
}

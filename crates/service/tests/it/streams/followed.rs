//! Tests of streams that are followed: from the event that starts a stream to the end of its row.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::StreamState;
use refrain_service::settings::SinkFormat;
use refrain_testkit::compose;
use refrain_testkit::origin::{Fault, LiveOptions, LiveStream, Origin, Times};

use super::{LONG, Rows, session};
use crate::events::{ARN, AT, end, start};
use crate::process::{Process, add, detections, fast_settings, fixed_stream, outbox, row, sqlite, until};
use crate::songs::{library, segments};

/// Returns a stream whose playlist lists all segments.
fn live() -> LiveStream {
    let options = LiveOptions { window: 1000, ..LiveOptions::default() };
    LiveStream::manual(Arc::clone(&library().clips), 3, options)
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_is_followed_from_its_start_event_to_its_end_event() {
    let origin = Origin::start().await.unwrap();
    let live = live();
    let rows = Rows::with(fast_settings(10, Duration::from_secs(3))).await;
    rows.channels.put(ARN, "st-1", &origin.live("/live", &live), AT);
    rows.handle(&start("st-1")).await;
    until("it is decoded", || async { rows.process.count_decoding(3) == 1 }).await;
    until("the row has the epoch", || async { row(&rows.catalog, ARN).await.unwrap().epoch.is_some() }).await;
    live.publish(5);
    until("the song is stored", || async { !detections(&rows.catalog, "st-1").await.is_empty() }).await;
    let known = row(&rows.catalog, ARN).await.unwrap();
    assert_eq!((known.epoch, known.attempts), (Some(1_700_000_000_000), 0));
    // The end event arrives in the middle of the song.
    rows.handle(&end("st-1")).await;
    until("its airing ends", || async { detections(&rows.catalog, "st-1").await[0].is_final() }).await;
    until("nothing is followed any more", || async { rows.process.streams.statuses().is_empty() }).await;
    let messages = outbox(&rows.catalog).await;
    let messages: Vec<_> = messages.iter().filter(|message| message.detection.is_some()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    for message in messages {
        assert!(
            message.payload.contains("st-1") && message.payload.contains("Song 1"),
            "{}",
            message.payload
        );
    }
    assert_eq!(rows.process.counters.leases_lost.get(), 0);
    rows.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_playlist_is_requested_again_while_the_platform_reports_the_stream_as_live() {
    let origin = Origin::start().await.unwrap();
    let (one, two) = (live(), live());
    let rows = Rows::with(fast_settings(10, LONG)).await;
    rows.channels.put(ARN, "st-1", &origin.live("/one", &one), AT);
    rows.handle(&start("st-1")).await;
    until("it is decoded", || async { rows.process.count_decoding(3) == 1 }).await;
    rows.channels.put(ARN, "st-1", &origin.live("/two", &two), AT);
    one.change(|options| options.end = true);
    until("the other playlist is requested", || async { origin.request_count("/two/index.m3u8") > 0 }).await;
    assert_eq!(rows.state(ARN).await, session("st-1", true));
    rows.channels.stop(ARN);
    two.change(|options| options.end = true);
    until("it has ended", || async { rows.state(ARN).await == session("st-1", false) }).await;
    assert_eq!(row(&rows.catalog, ARN).await.unwrap().state, StreamState::Ended);
    rows.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_of_an_ended_playlist_are_not_decoded_again() {
    let origin = Origin::start().await.unwrap();
    let live = live();
    let rows = Rows::with(fast_settings(10, LONG)).await;
    rows.channels.put(ARN, "st-1", &origin.live("/one", &live), AT);
    rows.handle(&start("st-1")).await;
    until("it is decoded", || async { rows.process.count_decoding(3) == 1 }).await;
    live.change(|options| options.end = true);
    let state = || async { row(&rows.catalog, ARN).await.unwrap().state };
    until("it has ended", || async { state().await == StreamState::Stalled }).await;
    let queries = origin.request_count("/one/index.m3u8");
    until("it is requested twice more", || async { origin.request_count("/one/index.m3u8") > queries + 1 })
        .await;
    assert_eq!(origin.request_count("/one/seg0.ts"), 1);
    rows.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn added_stream_fails_with_a_reason_and_fixed_stream_is_retried() {
    let origin = Origin::start().await.unwrap();
    let live = live();
    let mut settings = fast_settings(10, LONG);
    settings.monitor.source.give_up.before_audio = Duration::from_millis(200);
    settings.fixed = vec![fixed_stream("radio", &origin.url("/radio/index.m3u8?token=secret"), "")];
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    add(&catalog, "added", &origin.url("/none.m3u8?token=secret")).await;
    let process = Process::start(&catalog, "one", None, settings);
    until("it has failed", || async { row(&catalog, "added").await.unwrap().state == StreamState::Failed })
        .await;
    let why = row(&catalog, "added").await.unwrap().reason.unwrap();
    assert!(why.contains("404") && !why.contains("secret"), "{why}");
    until("the other fails", || async {
        row(&catalog, "radio").await.is_some_and(|row| row.reason.is_some())
    })
    .await;
    assert_eq!(row(&catalog, "radio").await.unwrap().state, StreamState::Retrying);
    origin.live("/radio", &live);
    until("it is decoded", || async { process.count_decoding(3) == 1 }).await;
    until("the row is live", || async { row(&catalog, "radio").await.unwrap().state == StreamState::Live })
        .await;
    assert_eq!(process.counters.streams_failed.get(), 1);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_of_a_stream_without_usable_media_has_the_state_and_the_reason() {
    let origin = Origin::start().await.unwrap();
    let live = live();
    let url = origin.live("/tv", &live);
    origin.fault("/tv/seg*", Fault::Status(403), Times::Always);
    let mut settings = fast_settings(10, LONG);
    settings.fixed = vec![fixed_stream("tv", &url, "")];
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let process = Process::start(&catalog, "one", None, settings);
    until("the row has a reason", || async {
        row(&catalog, "tv").await.is_some_and(|row| row.reason.is_some())
    })
    .await;
    let known = row(&catalog, "tv").await.unwrap();
    assert_eq!(known.state, StreamState::Retrying);
    assert!(known.reason.unwrap().contains("status 403"));
    origin.heal("/tv/seg*");
    live.publish(3);
    until("the row is live", || async { row(&catalog, "tv").await.unwrap().state == StreamState::Live })
        .await;
    assert_eq!(row(&catalog, "tv").await.unwrap().reason, None);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_headers_are_sent_and_never_recorded() {
    let origin = Origin::start().await.unwrap();
    let live = live();
    let url = origin.live("/tv", &live);
    origin.require_header("/tv/*", "authorization", "Bearer hush");
    let mut settings = fast_settings(10, LONG);
    settings.fixed = vec![fixed_stream("tv", &url, "Authorization: Bearer hush")];
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let process = Process::start(&catalog, "one", None, settings);
    until("the row is live", || async {
        row(&catalog, "tv").await.is_some_and(|row| row.state == StreamState::Live)
    })
    .await;
    let row = row(&catalog, "tv").await.unwrap();
    assert_eq!(refrain_service::streams::header_names(&row), ["authorization"]);
    assert!(!format!("{row:?}").contains("hush"));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_session_of_a_channel_ends_the_one_before() {
    let origin = Origin::start().await.unwrap();
    let (one, two) = (live(), live());
    let rows = Rows::with(fast_settings(10, LONG)).await;
    rows.channels.put(ARN, "st-1", &origin.live("/one", &one), AT);
    rows.handle(&start("st-1")).await;
    until("it is decoded", || async { rows.process.count_decoding(3) == 1 }).await;
    one.publish(5);
    until("the song is stored", || async { !detections(&rows.catalog, "st-1").await.is_empty() }).await;
    // No end event of the first session arrives.
    rows.channels.put(ARN, "st-2", &origin.live("/two", &two), AT + 60_000);
    rows.handle(&start("st-2")).await;
    until("its airing ends", || async { detections(&rows.catalog, "st-1").await[0].is_final() }).await;
    two.publish(5);
    until("the next session has a song", || async { !detections(&rows.catalog, "st-2").await.is_empty() })
        .await;
    until("one is followed", || async { rows.process.streams.statuses().len() == 1 }).await;
    assert_eq!(rows.state(ARN).await, session("st-2", true));
    rows.process.stop().await;
    assert!(!detections(&rows.catalog, "st-2").await[0].is_final(), "another worker continues it");
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_after_the_end_event_of_the_platform_are_decoded() {
    let origin = Origin::start().await.unwrap();
    let live = live();
    let rows = Rows::with(fast_settings(10, Duration::from_secs(3))).await;
    rows.channels.put(ARN, "st-1", &origin.live("/one", &live), AT);
    rows.handle(&start("st-1")).await;
    until("it is decoded", || async { rows.process.count_decoding(3) == 1 }).await;
    rows.channels.stop(ARN);
    rows.handle(&end("st-1")).await;
    until("its lease is lost", || async { rows.process.counters.streams.get() == 0 }).await;
    live.publish(library().clips.len() as u64 - live.published());
    live.change(|options| options.end = true);
    until("both songs have a final event", || async {
        let all = detections(&rows.catalog, "st-1").await;
        all.iter().filter(|one| one.is_final()).count() == 2
    })
    .await;
    assert_eq!(rows.state(ARN).await, session("st-1", false));
    rows.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_that_begins_without_a_song_reports_that_once() {
    let origin = Origin::start().await.unwrap();
    let unknown = segments(&compose(77, 14.0).samples, 2.0);
    let count = unknown.len() as u64;
    let options = LiveOptions { window: 1000, ..LiveOptions::default() };
    let live = LiveStream::manual(unknown, 3, options);
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    add(&catalog, "s", &origin.live("/s", &live)).await;
    let one = Process::with_format(&catalog, "one", None, fast_settings(1, LONG), SinkFormat::Song);
    until("it is decoded", || async { one.count_decoding(3) == 1 }).await;
    live.publish(count - 3);
    until("it is reported", || async { outbox(&catalog).await.len() == 1 }).await;
    let messages = outbox(&catalog).await;
    assert!(
        messages[0].detection.is_none() && messages[0].payload.contains("Not Recognized"),
        "{messages:?}"
    );
    until("the row has the epoch", || async { row(&catalog, "s").await.unwrap().epoch.is_some() }).await;
    one.stop().await;
    let other = Process::with_format(&catalog, "other", None, fast_settings(1, LONG), SinkFormat::Song);
    until("it is decoded", || async { other.count_decoding(3) == 1 }).await;
    live.publish(count);
    live.change(|options| options.end = true);
    until("it has ended", || async { row(&catalog, "s").await.unwrap().state == StreamState::Ended }).await;
    assert_eq!(outbox(&catalog).await.len(), 1);
    other.stop().await;
}

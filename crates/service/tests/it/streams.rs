//! Tests of the rows of streams: events, lists and settings create and end them.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Catalog, NewStream, StreamState};
use refrain_service::queue_consumer::Disposition;
use refrain_service::settings::SinkFormat;
use refrain_service::settings::StreamsSettings;
use refrain_testkit::compose;
use refrain_testkit::origin::{LiveOptions, LiveStream, Origin};

use crate::events::{ARN, AT, MEDIALIVE, end, ivs, medialive, start};
use crate::memory_cloud::MemoryChannels;
use crate::process::{Process, add, detections, fast_settings, outbox, row, rows, sqlite, until};
use crate::songs::{library, segments};

const LONG: Duration = Duration::from_secs(3600);

/// A process that follows no streams and only maintains the rows.
struct Rows {
    _folder: tempfile::TempDir,
    catalog: Arc<dyn Catalog>,
    channels: Arc<MemoryChannels>,
    process: Process,
}

impl Rows {
    async fn with(settings: StreamsSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = sqlite(folder.path()).await;
        let channels = Arc::new(MemoryChannels::default());
        let process = Process::start(&catalog, "one", Some(channels.clone()), settings);
        Self { _folder: folder, catalog, channels, process }
    }

    async fn new() -> Self {
        Self::with(fast_settings(0, LONG)).await
    }

    async fn handle(&self, body: &str) -> Disposition {
        self.process.streams.handler().handle(body).await
    }

    /// Returns the session of a stream, and true if it has not ended.
    async fn state(&self, id: &str) -> Option<(Option<String>, bool)> {
        row(&self.catalog, id).await.map(|row| (row.session, row.ended_at.is_none()))
    }
}

fn session(name: &str, is_live: bool) -> Option<(Option<String>, bool)> {
    Some((Some(name.to_owned()), is_live))
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_starts_create_one_session_and_only_its_own_end_ends_it() {
    let rows = Rows::new().await;
    rows.channels.put(ARN, "st-1", "https://host.example/m.m3u8?a=b", AT + 120);
    for _ in 0..3 {
        assert_eq!(rows.handle(&start("st-1")).await, Disposition::Ack);
    }
    let known = row(&rows.catalog, ARN).await.unwrap();
    assert_eq!((known.url.as_str(), known.origin.as_str()), ("https://host.example/m.m3u8?a=b", "ivs"));
    assert_eq!((known.session.as_deref(), known.started_at), (Some("st-1"), AT + 120));
    assert_eq!(rows.channels.queries(), 1, "a known session is not queried");
    assert_eq!(rows.handle(&end("st-other")).await, Disposition::Ack);
    assert_eq!(rows.state(ARN).await, session("st-1", true), "the end of another session");
    // The end is in the same second as the start, whose time is exact to a millisecond.
    let end = ivs("Stream End", "st-1", "2017-06-12T10:23:43Z").to_string();
    assert_eq!(rows.handle(&end).await, Disposition::Ack);
    assert_eq!(rows.state(ARN).await, session("st-1", false));
    rows.channels.put(ARN, "st-2", "https://host.example/m.m3u8", AT + 99_000);
    rows.handle(&start("st-2")).await;
    rows.handle(&ivs("Session Ended", "st-1", "2017-06-12T12:00:00Z").to_string()).await;
    assert_eq!(rows.state(ARN).await, session("st-2", true), "a late end of the earlier session");
    rows.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn end_before_its_start_is_remembered() {
    let rows = Rows::new().await;
    assert_eq!(rows.handle(&end("st-1")).await, Disposition::Ack);
    // The platform lags and still reports the stream as live.
    rows.channels.put(ARN, "st-1", "https://host.example/m.m3u8", AT);
    assert_eq!(rows.handle(&start("st-1")).await, Disposition::Ack);
    assert_eq!(rows.state(ARN).await, session("st-1", false));
    rows.channels.put(ARN, "st-2", "https://host.example/m.m3u8", AT + 99_000_000);
    rows.handle(&start("st-2")).await;
    assert_eq!(rows.state(ARN).await, session("st-2", true));
    rows.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_end_of_an_earlier_session_changes_nothing() {
    let rows = Rows::new().await;
    rows.channels.put(ARN, "st-2", "https://host.example/2.m3u8", AT);
    rows.handle(&start("st-2")).await;
    assert_eq!(rows.handle(&end("st-2")).await, Disposition::Ack);
    let before = row(&rows.catalog, ARN).await.unwrap();
    assert!(before.ended_at.is_some());
    // The end of an earlier session arrives last and has a later time.
    let late = ivs("Stream End", "st-1", "2017-06-13T12:00:00Z").to_string();
    assert_eq!(rows.handle(&late).await, Disposition::Ack);
    assert_eq!(row(&rows.catalog, ARN).await.unwrap(), before);
    // Its start arrives after that, while the platform lags and still lists it.
    rows.channels.put(ARN, "st-1", "https://host.example/1.m3u8", AT + 99_000_000);
    assert_eq!(rows.handle(&start("st-1")).await, Disposition::Ack);
    assert_eq!(row(&rows.catalog, ARN).await.unwrap(), before);
    rows.channels.put(ARN, "st-3", "https://host.example/3.m3u8", AT + 199_000_000);
    rows.handle(&start("st-3")).await;
    assert_eq!(rows.state(ARN).await, session("st-3", true));
    rows.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_start_is_ignored_and_start_is_retried_when_the_platform_fails() {
    let rows = Rows::new().await;
    assert_eq!(rows.handle(&start("st-1")).await, Disposition::Ack);
    assert_eq!(rows.state(ARN).await, None);
    rows.channels.put(ARN, "st-1", "https://host.example/m.m3u8", AT);
    rows.channels.fail_next(1);
    assert!(matches!(rows.handle(&start("st-1")).await, Disposition::Retry(_)));
    assert_eq!(rows.handle(&start("st-1")).await, Disposition::Ack);
    assert_eq!(rows.state(ARN).await, session("st-1", true));
    // A failure ends the stream only if the channel sends nothing.
    let failure = ivs("Stream Failure", "st-1", "2017-06-12T10:30:00Z").to_string();
    rows.handle(&failure).await;
    assert_eq!(rows.state(ARN).await, session("st-1", true));
    rows.channels.stop(ARN);
    rows.handle(&failure).await;
    assert_eq!(rows.state(ARN).await, session("st-1", false));
    assert!(matches!(rows.handle("nonsense").await, Disposition::DeadLetter(_)));
    rows.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_configured_channels_are_followed() {
    let settings = StreamsSettings {
        channels: vec!["arn:another".into()],
        medialive: [(MEDIALIVE.to_owned(), "https://live.example/i.m3u8".to_owned())].into(),
        ..fast_settings(0, LONG)
    };
    let all = Rows::with(settings).await;
    all.channels.put(ARN, "st-1", "https://host.example/m.m3u8", AT);
    assert_eq!(all.handle(&start("st-1")).await, Disposition::Ack);
    let other = medialive("RUNNING", 1, "2017-06-12T10:00:00Z").replace("1234567", "7654321");
    assert_eq!(all.handle(&other).await, Disposition::Ack);
    assert!(rows(&all.catalog).await.is_empty());
    all.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_medialive_start_and_end_streams() {
    let url = "https://live.example/i.m3u8";
    let settings = StreamsSettings {
        medialive: [(MEDIALIVE.to_owned(), url.to_owned())].into(),
        ..fast_settings(0, LONG)
    };
    let rows = Rows::with(settings).await;
    // The stop arrives before the start.
    rows.handle(&medialive("STOPPED", 0, "2017-06-12T10:30:00Z")).await;
    rows.handle(&medialive("RUNNING", 1, "2017-06-12T10:00:00Z")).await;
    assert_eq!(rows.state(MEDIALIVE).await, Some((None, false)));
    for _ in 0..2 {
        rows.handle(&medialive("RUNNING", 1, "2017-06-12T11:00:00Z")).await;
    }
    let known = row(&rows.catalog, MEDIALIVE).await.unwrap();
    assert_eq!((known.url.as_str(), known.origin.as_str(), known.ended_at), (url, "medialive", None));
    rows.handle(&medialive("STOPPED", 1, "2017-06-12T11:10:00Z")).await;
    assert_eq!(rows.state(MEDIALIVE).await, Some((None, true)), "one of two pipelines");
    rows.handle(&medialive("STOPPED", 0, "2017-06-12T11:20:00Z")).await;
    assert_eq!(rows.state(MEDIALIVE).await, Some((None, false)));
    rows.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconciliation_corrects_rows_after_missing_events() {
    let every = Duration::from_millis(100);
    let rows = Rows::with(StreamsSettings { reconcile: Some(every), ..fast_settings(0, LONG) }).await;
    let journal = rows.catalog.journal();
    let known = |id: &str, at: i64| NewStream {
        id: id.into(),
        url: "https://host.example/m.m3u8".into(),
        origin: "ivs".into(),
        session: Some(format!("st-{id}")),
        started_at: at,
    };
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    journal.start_stream(&known("gone", AT)).await.unwrap();
    journal.start_stream(&known("young", now)).await.unwrap();
    journal.start_stream(&NewStream { origin: "api".into(), ..known("added", AT) }).await.unwrap();
    until("the missing one ends", || async { rows.state("gone").await == session("st-gone", false) }).await;
    // The list lags, but the channel still sends the stream.
    journal.start_stream(&known("lagging", AT)).await.unwrap();
    rows.channels.put("lagging", "st-lagging", "https://host.example/m.m3u8", AT);
    let queries = rows.channels.queries();
    until("it was queried twice", || async { rows.channels.queries() >= queries + 2 }).await;
    rows.channels.put(ARN, "st-1", "https://host.example/m.m3u8", AT);
    rows.channels.list(true);
    until("the unreported one is started", || async { rows.state(ARN).await == session("st-1", true) }).await;
    for (id, name) in [("young", "st-young"), ("added", "st-added"), ("lagging", "st-lagging")] {
        assert_eq!(rows.state(id).await, session(name, true));
    }
    rows.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_started_and_ended_when_the_settings_change() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = sqlite(folder.path()).await;
    let url = "http://127.0.0.1:1/x.mp3";
    let settings = |fixed: &[(&str, &str)]| StreamsSettings {
        fixed: fixed.iter().map(|(id, url)| ((*id).to_owned(), (*url).to_owned())).collect(),
        ..fast_settings(0, LONG)
    };
    let first = Process::start(&catalog, "one", None, settings(&[("a", url), ("b", url)]));
    until("both are there", || async { rows(&catalog).await.len() == 2 }).await;
    first.stop().await;
    let before = row(&catalog, "a").await.unwrap();
    let second =
        Process::start(&catalog, "two", None, settings(&[("a", url), ("c", "http://127.0.0.1:1/c")]));
    until("the new one is there", || async { row(&catalog, "c").await.is_some() }).await;
    second.stop().await;
    assert_eq!(row(&catalog, "b").await.unwrap().state, StreamState::Ended);
    assert_eq!(row(&catalog, "a").await.unwrap(), before);
    let third = Process::start(&catalog, "three", None, settings(&[("a", "http://127.0.0.1:1/y.mp3")]));
    until("its URL is new", || async { row(&catalog, "a").await.unwrap().url.ends_with("y.mp3") }).await;
    assert_eq!(row(&catalog, "a").await.unwrap().ended_at, None);
    third.stop().await;
}

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
    until("its airing ends", || async { detections(&rows.catalog, "st-1").await[0].is_final }).await;
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
    settings.monitor.source.hls.give_up_after = Duration::from_millis(200);
    settings.fixed = vec![("radio".into(), origin.url("/radio/index.m3u8?token=secret"))];
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
    origin.live("/radio", &live);
    until("it is decoded", || async { process.count_decoding(3) == 1 }).await;
    until("the row is live", || async { row(&catalog, "radio").await.unwrap().state == StreamState::Live })
        .await;
    assert_eq!(process.counters.streams_failed.get(), 1);
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
    until("its airing ends", || async { detections(&rows.catalog, "st-1").await[0].is_final }).await;
    two.publish(5);
    until("the next session has a song", || async { !detections(&rows.catalog, "st-2").await.is_empty() })
        .await;
    until("one is followed", || async { rows.process.streams.statuses().len() == 1 }).await;
    assert_eq!(rows.state(ARN).await, session("st-2", true));
    rows.process.stop().await;
    assert!(!detections(&rows.catalog, "st-2").await[0].is_final, "another worker continues it");
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
        all.iter().filter(|one| one.is_final).count() == 2
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

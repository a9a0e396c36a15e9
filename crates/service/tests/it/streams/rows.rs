//! Tests of the rows alone: no stream is followed.

use std::time::Duration;

use refrain_catalog::{NewStream, StreamState};
use refrain_service::queue_consumer::Disposition;
use refrain_service::settings::StreamsSettings;

use super::{LONG, Rows, session};
use crate::events::{ARN, AT, MEDIALIVE, end, ivs, medialive, start};
use crate::process::{Process, fast_settings, fixed_stream, row, rows, sqlite, until};

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
        headers: None,
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
        fixed: fixed.iter().map(|(id, url)| fixed_stream(id, url, "")).collect(),
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
    // Other headers start a new session with them.
    let session = row(&catalog, "a").await.unwrap().started_at;
    let fixed = vec![fixed_stream("a", "http://127.0.0.1:1/y.mp3", "Referer: r")];
    let fourth = Process::start(&catalog, "four", None, StreamsSettings { fixed, ..fast_settings(0, LONG) });
    until("its headers are new", || async { row(&catalog, "a").await.unwrap().headers.is_some() }).await;
    assert!(row(&catalog, "a").await.unwrap().started_at > session);
    fourth.stop().await;
}

//! Tests of alerts about the audio of streams.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::Catalog;
use refrain_testkit::origin::{LiveOptions, LiveStream, Origin};

use super::LONG;
use crate::process::{Process, add, fast_settings, outbox, row, sqlite, until};
use crate::songs::library;

/// Returns the event and the start of the fault of each alert in the outbox.
async fn alerts(catalog: &Arc<dyn Catalog>) -> Vec<(String, String)> {
    let all = outbox(catalog).await.into_iter().filter_map(|message| {
        let envelope: serde_json::Value = serde_json::from_str(&message.payload).unwrap();
        let body: serde_json::Value = serde_json::from_str(envelope["body"].as_str().unwrap()).unwrap();
        let is_silence = body["kind"] == "silence" && body["stream"] == "radio";
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        is_silence.then(|| (text("event"), text("since")))
    });
    all.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_reported_once_although_the_worker_is_killed() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::start().await.unwrap());
    let catalog = sqlite(folder.path()).await;
    let mut settings = fast_settings(1, Duration::from_secs(3));
    settings.alerts = true;
    settings.monitor.health.silence_seconds = 1.5;
    settings.monitor.health.end_seconds = 1.0;
    // Silence for 4 s, a song of 20 s, silence for 4 s, a song of 20 s, silence for 4 s.
    let options = LiveOptions { window: 1000, ..LiveOptions::default() };
    let live = LiveStream::manual(Arc::clone(&library().clips), 3, options);
    let first = Process::start(&catalog, "one", None, settings.clone());
    add(&catalog, "radio", &origin.live("/radio", &live)).await;
    until("it is decoded", || async { first.count_decoding(3) == 1 }).await;
    let seconds = crate::songs::BROADCAST / library().clips.len() as f64;
    let published = live.published();
    live.publish((26.5 / seconds).ceil() as u64 - published);
    until("the second silence is reported", || async { alerts(&catalog).await.len() == 3 }).await;
    first.kill();
    settings.lease = LONG;
    let second = Process::start(&catalog, "two", None, settings);
    live.publish(library().clips.len() as u64 - live.published());
    until("the last silence is reported", || async { alerts(&catalog).await.len() >= 5 }).await;
    assert!(row(&catalog, "radio").await.unwrap().alerts.is_some());
    second.stop().await;
    let alerts = alerts(&catalog).await;
    let events: Vec<&str> = alerts.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(events, ["alert.start", "alert.end", "alert.start", "alert.end", "alert.start"]);
    // The start and the end of an alert have the same time of the fault.
    assert!(
        alerts[0].1 == alerts[1].1 && alerts[2].1 == alerts[3].1 && alerts[3].1 < alerts[4].1,
        "{alerts:?}"
    );
}

//! Tests of dispatchers: several at the same time, one after another, and their shutdown.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{DeliveryStatus, NewOutboxMessage, OutboxMessage};
use refrain_service::cloud::{CloudError, CloudServices, Topics};
use refrain_service::delivery::{
    OutboxDispatcher, OutboxPlanner, RetentionJob, SharedLineWriter, SinkConfigError,
};
use refrain_service::settings::{RetentionSettings, Secret, SinkKind, SinkSettings};
use tokio_util::sync::CancellationToken;

use super::{OutboxTest, now, outbox, sink};

fn stdout() -> SinkSettings {
    sink("stdout", SinkKind::Stdout)
}

fn bodies(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{{\"n\":{n}}}")).collect()
}

async fn enqueue_numbered(fixture: &OutboxTest, sinks: &[SinkSettings], count: usize) {
    let bodies = bodies(count);
    fixture.enqueue_responses(sinks, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// A topic that accepts messages and never responds.
struct HangingTopics(tokio::sync::Semaphore);

#[async_trait::async_trait]
impl Topics for HangingTopics {
    async fn publish(&self, _: &str, _: &str) -> Result<(), CloudError> {
        self.0.add_permits(1);
        std::future::pending().await
    }

    async fn check_topic(&self, _: &str) -> Result<(), CloudError> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dispatchers_share_an_outbox() {
    let fixture = OutboxTest::new().await;
    enqueue_numbered(&fixture, &[stdout()], 200).await;
    let dispatchers = [0; 3].map(|_| fixture.begin(&outbox(&[stdout()])));
    let done = fixture.until(DeliveryStatus::Delivered, 200).await;
    for dispatcher in dispatchers {
        dispatcher.end().await;
    }
    assert!(done.iter().all(|delivery| delivery.attempts == 1));
    let lines = fixture.lines.lines();
    let unique: BTreeSet<_> = lines.iter().cloned().collect();
    assert_eq!((lines.len(), unique), (200, bodies(200).into_iter().collect()));
    assert_eq!(fixture.counters.delivered.get(), 200);
}

#[tokio::test]
async fn messages_claimed_by_a_killed_dispatcher_are_delivered_by_another() {
    let fixture = OutboxTest::new().await;
    enqueue_numbered(&fixture, &[stdout()], 3).await;
    // A dispatcher claims two messages and is killed.
    let claimed =
        fixture.catalog.journal().claim_deliveries("stdout", 2, Duration::from_millis(400)).await.unwrap();
    assert_eq!(claimed.len(), 2);
    let running = fixture.begin(&outbox(&[stdout()]));
    let done = fixture.until(DeliveryStatus::Delivered, 3).await;
    running.end().await;
    assert_eq!(done.iter().map(|delivery| delivery.attempts).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(fixture.lines.lines().len(), 3);
}

#[tokio::test]
async fn recorded_message_wakes_a_dispatcher() {
    let fixture = OutboxTest::new().await;
    let running = fixture.begin(&outbox(&[stdout()]));
    enqueue_numbered(&fixture, &[stdout()], 1).await;
    fixture.until(DeliveryStatus::Delivered, 1).await;
    let planner = OutboxPlanner::new(&[stdout()]).with_waker(running.waker.clone());
    for round in 2..10 {
        let message = NewOutboxMessage { key: format!("{round}"), ..messages(&fixture).await };
        fixture.put(&[message], now()).await;
        planner.wake_dispatcher();
        fixture.until(DeliveryStatus::Delivered, round).await;
    }
    let done = fixture.listed(None).await;
    let late = |delivery: &&OutboxMessage| delivery.delivered_at.unwrap() - delivery.created_at > 3_000;
    assert!(done[1..].iter().filter(late).count() == 0, "{done:#?}");
    running.end().await;
}

/// Returns a message like the one in the outbox.
async fn messages(fixture: &OutboxTest) -> NewOutboxMessage {
    let first = fixture.listed(None).await.swap_remove(0);
    NewOutboxMessage { sink: first.sink, key: first.key, payload: first.payload }
}

#[tokio::test]
async fn due_messages_are_delivered_before_shutdown() {
    let fixture = OutboxTest::new().await;
    let sinks = [stdout()];
    enqueue_numbered(&fixture, &sinks, 50).await;
    let stop = CancellationToken::new();
    stop.cancel();
    fixture.dispatcher(&outbox(&sinks)).run(stop).await;
    assert_eq!(fixture.lines.lines().len(), 50);
    fixture.until(DeliveryStatus::Delivered, 50).await;
}

#[tokio::test]
async fn shutdown_releases_unfinished_messages_at_once() {
    let hanging = Arc::new(HangingTopics(tokio::sync::Semaphore::new(0)));
    let cloud = CloudServices { topics: Some(hanging.clone()), ..CloudServices::default() };
    let mut fixture = OutboxTest { cloud, ..OutboxTest::new().await };
    let sinks = [sink("x", SinkKind::Sns { topic: "t".into() })];
    enqueue_numbered(&fixture, &sinks, 2).await;
    let running = fixture.begin(&outbox(&sinks));
    let _ = hanging.0.acquire_many(2).await.unwrap();
    running.end().await;
    let waiting = fixture.waiting().await;
    assert!(waiting.iter().all(|delivery| delivery.next_attempt_at <= now()), "{waiting:#?}");
    assert_eq!(waiting.len(), 2);

    // The sink of this name has another kind after a restart.
    fixture.cloud = CloudServices::default();
    let running = fixture.begin(&outbox(&[sink("x", SinkKind::Stdout)]));
    fixture.until(DeliveryStatus::Delivered, 2).await;
    running.end().await;
}

/// A pipe whose reader has closed it.
struct ClosedPipe;

impl Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn closed_pipe_does_not_crash_and_messages_of_other_sinks_wait() {
    let fixture = OutboxTest::new().await;
    enqueue_numbered(&fixture, &[stdout(), sink("gone", SinkKind::Stdout)], 1).await;
    let (settings, drain) = (outbox(&[stdout()]), Duration::from_secs(3));
    let dispatcher = OutboxDispatcher::with_lines(
        &fixture.catalog,
        &settings,
        &fixture.cloud,
        drain,
        &fixture.counters,
        SharedLineWriter::to(ClosedPipe),
    );
    let stop = CancellationToken::new();
    let task = tokio::spawn(dispatcher.unwrap().run(stop.clone()));
    let failed = fixture.until_failed().await;
    stop.cancel();
    task.await.unwrap();
    assert_eq!(failed.sink, "stdout");
    let waiting = fixture.waiting().await;
    assert_eq!(waiting.len(), 2);
    assert!(
        waiting.iter().all(|delivery| (delivery.sink == "gone") == (delivery.attempts == 0)),
        "{waiting:#?}"
    );
}

#[tokio::test]
async fn unusable_sink_is_an_error_at_once() {
    let fixture = OutboxTest::new().await;
    let config_error = |kind| {
        let settings = outbox(&[sink("x", kind)]);
        OutboxDispatcher::new(&fixture.catalog, &settings, &fixture.cloud, Duration::ZERO, &fixture.counters)
            .err()
            .unwrap()
    };
    let s3 = config_error(SinkKind::S3 { bucket: "b".into(), key: "{file}".into() });
    assert!(matches!(s3, SinkConfigError::MissingCloudService { .. }));
    assert!(matches!(
        config_error(SinkKind::Sns { topic: "t".into() }),
        SinkConfigError::MissingCloudService { .. }
    ));
    let timeout = Duration::from_secs(1);
    let url = Secret::new("hooks T0KEN".into());
    let hook = config_error(SinkKind::Webhook { url, secret: None, timeout, allow_private: false });
    assert!(matches!(hook, SinkConfigError::Url { .. }) && !hook.to_string().contains("T0KEN"), "{hook}");
}

#[tokio::test]
async fn expired_messages_are_deleted() {
    let fixture = OutboxTest::new().await;
    let day = 24 * 3_600_000;
    fixture.enqueue_responses_at(&[stdout()], &["{}", "{}"], now() - 30 * day).await;
    let ids: Vec<_> = fixture.listed(None).await.iter().map(|delivery| delivery.id).collect();
    let journal = fixture.catalog.journal();
    journal.claim_deliveries("stdout", 2, Duration::ZERO).await.unwrap();
    journal.mark_delivered(&ids[..1], now() - 8 * day).await.unwrap();
    let stop = CancellationToken::new();
    let clean = async |deliveries: Option<u64>| {
        let days = |days| Duration::from_secs(days * 24 * 3600);
        let keep = RetentionSettings { detections: None, deliveries: deliveries.map(days) };
        RetentionJob::new(fixture.catalog.clone(), keep).clean(&stop).await.unwrap().deliveries
    };
    assert_eq!((clean(None).await, clean(Some(9)).await, clean(Some(7)).await), (0, 0, 1));
    assert_eq!(fixture.listed(None).await.len(), 1, "the waiting message is kept");
}

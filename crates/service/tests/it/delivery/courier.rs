//! Tests of couriers: several at the same time, one after another, and their shutdown.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Delivery, DeliveryStatus, NewDelivery};
use refrain_service::delivery::{Courier, CourierError, Janitor, Lines, Planner};
use refrain_service::outside::{Outside, OutsideError, Topics};
use refrain_service::settings::{KeepSettings, Secret, SinkKind, SinkSettings};
use tokio_util::sync::CancellationToken;

use super::{Post, now, outbox, sink};

fn stdout() -> SinkSettings {
    sink("stdout", SinkKind::Stdout)
}

fn bodies(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{{\"n\":{n}}}")).collect()
}

async fn told(post: &Post, sinks: &[SinkSettings], count: usize) {
    let bodies = bodies(count);
    post.tell(sinks, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// A topic that accepts messages and never responds.
struct Silent(tokio::sync::Semaphore);

#[async_trait::async_trait]
impl Topics for Silent {
    async fn publish(&self, _: &str, _: &str) -> Result<(), OutsideError> {
        self.0.add_permits(1);
        std::future::pending().await
    }

    async fn check_topic(&self, _: &str) -> Result<(), OutsideError> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn couriers_share_an_outbox() {
    let post = Post::new().await;
    told(&post, &[stdout()], 200).await;
    let couriers = [0; 3].map(|_| post.begin(&outbox(&[stdout()])));
    let done = post.until(DeliveryStatus::Delivered, 200).await;
    for courier in couriers {
        courier.end().await;
    }
    assert!(done.iter().all(|delivery| delivery.attempts == 1));
    let lines = post.lines.lines();
    let unique: BTreeSet<_> = lines.iter().cloned().collect();
    assert_eq!((lines.len(), unique), (200, bodies(200).into_iter().collect()));
    assert_eq!(post.measures.delivered.get(), 200);
}

#[tokio::test]
async fn messages_claimed_by_a_killed_courier_are_delivered_by_another() {
    let post = Post::new().await;
    told(&post, &[stdout()], 3).await;
    // A courier claims two messages and is killed.
    let claimed =
        post.catalog.journal().claim_deliveries("stdout", 2, Duration::from_millis(400)).await.unwrap();
    assert_eq!(claimed.len(), 2);
    let working = post.begin(&outbox(&[stdout()]));
    let done = post.until(DeliveryStatus::Delivered, 3).await;
    working.end().await;
    assert_eq!(done.iter().map(|delivery| delivery.attempts).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(post.lines.lines().len(), 3);
}

#[tokio::test]
async fn recorded_message_wakes_a_courier() {
    let post = Post::new().await;
    let working = post.begin(&outbox(&[stdout()]));
    told(&post, &[stdout()], 1).await;
    post.until(DeliveryStatus::Delivered, 1).await;
    let planner = Planner::new(&[stdout()]).waking(working.waker.clone());
    for round in 2..10 {
        let message = NewDelivery { key: format!("{round}"), ..messages(&post).await };
        post.put(&[message], now()).await;
        planner.recorded();
        post.until(DeliveryStatus::Delivered, round).await;
    }
    let done = post.listed(None).await;
    let late = |delivery: &&Delivery| delivery.delivered_at.unwrap() - delivery.created_at > 3_000;
    assert!(done[1..].iter().filter(late).count() == 0, "{done:#?}");
    working.end().await;
}

/// Returns a message like the one in the outbox.
async fn messages(post: &Post) -> NewDelivery {
    let first = post.listed(None).await.swap_remove(0);
    NewDelivery { sink: first.sink, key: first.key, payload: first.payload }
}

#[tokio::test]
async fn due_messages_are_delivered_before_shutdown() {
    let post = Post::new().await;
    let sinks = [stdout()];
    told(&post, &sinks, 50).await;
    let stop = CancellationToken::new();
    stop.cancel();
    post.courier(&outbox(&sinks)).run(stop).await;
    assert_eq!(post.lines.lines().len(), 50);
    post.until(DeliveryStatus::Delivered, 50).await;
}

#[tokio::test]
async fn shutdown_releases_unfinished_messages_at_once() {
    let silent = Arc::new(Silent(tokio::sync::Semaphore::new(0)));
    let outside = Outside { topics: Some(silent.clone()), ..Outside::default() };
    let mut post = Post { outside, ..Post::new().await };
    let sinks = [sink("x", SinkKind::Sns { topic: "t".into() })];
    told(&post, &sinks, 2).await;
    let working = post.begin(&outbox(&sinks));
    let _ = silent.0.acquire_many(2).await.unwrap();
    working.end().await;
    let waiting = post.waiting().await;
    assert!(waiting.iter().all(|delivery| delivery.next_attempt_at <= now()), "{waiting:#?}");
    assert_eq!(waiting.len(), 2);

    // The sink of this name has another kind after a restart.
    post.outside = Outside::default();
    let working = post.begin(&outbox(&[sink("x", SinkKind::Stdout)]));
    post.until(DeliveryStatus::Delivered, 2).await;
    working.end().await;
}

/// A pipe whose reader has closed it.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn closed_pipe_does_not_crash_and_messages_of_other_sinks_wait() {
    let post = Post::new().await;
    told(&post, &[stdout(), sink("gone", SinkKind::Stdout)], 1).await;
    let (settings, drain) = (outbox(&[stdout()]), Duration::from_secs(3));
    let courier =
        Courier::printing(&post.catalog, &settings, &post.outside, drain, &post.measures, Lines::to(Closed));
    let stop = CancellationToken::new();
    let task = tokio::spawn(courier.unwrap().run(stop.clone()));
    let failed = post.until_failed().await;
    stop.cancel();
    task.await.unwrap();
    assert_eq!(failed.sink, "stdout");
    let waiting = post.waiting().await;
    assert_eq!(waiting.len(), 2);
    assert!(
        waiting.iter().all(|delivery| (delivery.sink == "gone") == (delivery.attempts == 0)),
        "{waiting:#?}"
    );
}

#[tokio::test]
async fn unusable_sink_is_an_error_at_once() {
    let post = Post::new().await;
    let made = |kind| {
        let settings = outbox(&[sink("x", kind)]);
        Courier::new(&post.catalog, &settings, &post.outside, Duration::ZERO, &post.measures).err().unwrap()
    };
    let s3 = made(SinkKind::S3 { bucket: "b".into(), key: "{file}".into() });
    assert!(matches!(s3, CourierError::NoOutside { .. }));
    assert!(matches!(made(SinkKind::Sns { topic: "t".into() }), CourierError::NoOutside { .. }));
    let timeout = Duration::from_secs(1);
    let url = Secret::new("hooks T0KEN".into());
    let hook = made(SinkKind::Webhook { url, secret: None, timeout, allow_private: false });
    assert!(matches!(hook, CourierError::Url { .. }) && !hook.to_string().contains("T0KEN"), "{hook}");
}

#[tokio::test]
async fn expired_messages_are_deleted() {
    let post = Post::new().await;
    let day = 24 * 3_600_000;
    post.tell_at(&[stdout()], &["{}", "{}"], now() - 30 * day).await;
    let ids: Vec<_> = post.listed(None).await.iter().map(|delivery| delivery.id).collect();
    let journal = post.catalog.journal();
    journal.claim_deliveries("stdout", 2, Duration::ZERO).await.unwrap();
    journal.delivered(&ids[..1], now() - 8 * day).await.unwrap();
    let stop = CancellationToken::new();
    let clean = async |deliveries: Option<u64>| {
        let days = |days| Duration::from_secs(days * 24 * 3600);
        let keep = KeepSettings { detections: None, deliveries: deliveries.map(days) };
        Janitor::new(post.catalog.clone(), keep).clean(&stop).await.unwrap().deliveries
    };
    assert_eq!((clean(None).await, clean(Some(9)).await, clean(Some(7)).await), (0, 0, 1));
    assert_eq!(post.listed(None).await.len(), 1, "the waiting message is kept");
}

//! Messages in the outbox, and the deletion of expired records.

use std::collections::BTreeSet;
use std::time::Duration;

use refrain_catalog::{
    AfterFailure, Backlog, DeliveryStatus, DetectionSource, Journal, NewOutboxMessage, OutboxFilter,
    OutboxMessage, PruneCounts, RetentionLimits, StartOutcome, StreamFilter,
};

use super::detections::{detection, ended};
use super::leases::HOUR;
use super::streams::{new_stream, started};
use super::*;

pub(crate) fn message(sink: &str, key: &str) -> NewOutboxMessage {
    NewOutboxMessage { sink: sink.into(), key: key.into(), payload: format!("{{\"key\":\"{key}\"}}") }
}

pub(crate) fn keys(deliveries: &[OutboxMessage]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.key.as_str()).collect()
}

pub(crate) async fn claim(journal: &dyn Journal, claim: Duration) -> Vec<OutboxMessage> {
    journal.claim_deliveries("hook", 100, claim).await.unwrap()
}

/// Milliseconds since the Unix epoch.
fn now() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

pub(crate) async fn listed(journal: &dyn Journal, status: DeliveryStatus) -> Vec<OutboxMessage> {
    let filter = OutboxFilter { status: Some(status), ..OutboxFilter::default() };
    journal.deliveries(&filter, None, 100).await.unwrap()
}

pub(crate) async fn the_backlog_is_counted(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    assert_eq!(journal.backlog().await.unwrap(), Backlog::default());
    journal.enqueue(&[message("hook", "a")], 2000).await.unwrap();
    journal
        .enqueue(&[message("hook", "b"), message("hook", "c"), message("other", "d")], 3000)
        .await
        .unwrap();
    let wanted = Backlog { waiting: 4, oldest_at: Some(2000), dead: 0 };
    assert_eq!(journal.backlog().await.unwrap(), wanted);
    let claimed = claim(journal, HOUR).await;
    assert_eq!(journal.backlog().await.unwrap(), wanted, "claimed messages count as waiting");
    journal.mark_delivered(&[claimed[0].id], 4000).await.unwrap();
    journal.mark_delivery_failed(claimed[1].id, 1, "no", AfterFailure::Dead).await.unwrap();
    let wanted = Backlog { waiting: 2, oldest_at: Some(3000), dead: 1 };
    assert_eq!(journal.backlog().await.unwrap(), wanted);
}

pub(crate) async fn a_message_is_stored_once_per_sink_and_key(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let twice = NewOutboxMessage { payload: "other".into(), ..message("hook", "a") };
    journal.enqueue(&[message("hook", "a"), message("queue", "a"), twice.clone()], 1000).await.unwrap();
    journal.enqueue(&[twice, message("hook", "b\0")], 2000).await.unwrap();
    journal.enqueue(&[], 3000).await.unwrap();
    let all = journal.deliveries(&OutboxFilter::default(), None, 100).await.unwrap();
    let expected = OutboxMessage {
        id: all[0].id,
        detection: None,
        sink: "hook".into(),
        key: "a".into(),
        payload: "{\"key\":\"a\"}".into(),
        created_at: 1000,
        attempts: 0,
        next_attempt_at: all[0].next_attempt_at,
        delivered_at: None,
        dead_at: None,
        last_error: None,
    };
    assert_eq!(all[0], expected);
    assert_eq!(keys(&all), ["a", "a", "b\u{fffd}"]);
    assert_eq!((all[1].sink.as_str(), all[1].payload.as_str()), ("queue", "{\"key\":\"a\"}"));
}

pub(crate) async fn a_message_is_due_again_after_its_claim_expires(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    journal.enqueue(&[message("hook", "a"), message("queue", "q")], 1000).await.unwrap();
    let before = now();
    let first = claim(journal, HOUR).await;
    assert_eq!((keys(&first), first[0].attempts), (vec!["a"], 1));
    assert!(first[0].next_attempt_at >= before + 3_600_000, "{first:?}");
    assert_eq!(claim(journal, HOUR).await, [], "claimed");
    journal.enqueue(&[message("hook", "b")], 2000).await.unwrap();
    assert_eq!(keys(&claim(journal, Duration::ZERO).await), ["b"]);
    let again = claim(journal, HOUR).await;
    assert_eq!((keys(&again), again[0].attempts), (vec!["b"], 2), "its first claim has expired");
    assert!(!journal.mark_delivery_failed(again[0].id, 1, "too late", AfterFailure::Dead).await.unwrap());
    assert_eq!(listed(journal, DeliveryStatus::Dead).await, []);
    assert!(
        journal
            .mark_delivery_failed(again[0].id, 2, "", AfterFailure::RetryAfter(Duration::ZERO))
            .await
            .unwrap()
    );
    journal.enqueue(&[message("hook", "c")], 2000).await.unwrap();
    // The message that has been due for longest comes first, whatever its number.
    assert_eq!(keys(&journal.claim_deliveries("hook", 1, HOUR).await.unwrap()), ["b"]);
    assert_eq!(keys(&journal.claim_deliveries("hook", 0, HOUR).await.unwrap()), Vec::<&str>::new());
}

/// A process whose clock is an hour fast or slow neither delays its messages nor takes those of others.
pub(crate) async fn messages_are_due_by_the_clock_of_the_database(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    for (key, clock) in [("ahead", now() + 3_600_000), ("behind", now() - 3_600_000)] {
        journal.enqueue(&[message("hook", key)], clock).await.unwrap();
    }
    let detected = detection(1, DetectionSource::Stream("a".into()), 900, 1000);
    assert!(journal.record(&detected, &[message("hook", "recorded")], now() + 3_600_000).await.unwrap());
    assert_eq!(keys(&claim(journal, HOUR).await), ["ahead", "behind", "recorded"]);
}

pub(crate) async fn failed_deliveries_are_retried_until_they_are_dead(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    journal.enqueue(&[message("hook", "a")], 1000).await.unwrap();
    let id = claim(journal, HOUR).await[0].id;
    let soon = AfterFailure::RetryAfter(Duration::ZERO);
    assert!(journal.mark_delivery_failed(id, 1, "status 503\0", soon).await.unwrap());
    let again = claim(journal, HOUR).await;
    assert_eq!((again[0].attempts, again[0].last_error.as_deref()), (2, Some("status 503\u{fffd}")));
    assert!(journal.mark_delivery_failed(id, 2, "status 503", AfterFailure::RetryAfter(HOUR)).await.unwrap());
    assert_eq!(claim(journal, HOUR).await, [], "due in an hour");
    assert!(journal.mark_delivery_failed(id, 2, "status 400", AfterFailure::Dead).await.unwrap());
    assert!(!journal.mark_delivery_failed(id, 2, "again", soon).await.unwrap());
    assert_eq!(claim(journal, HOUR).await, []);
    let dead = listed(journal, DeliveryStatus::Dead).await;
    assert!(dead[0].dead_at.is_some_and(|at| (now() - at).abs() < 60_000), "{dead:?}");
    assert_eq!(dead[0].last_error.as_deref(), Some("status 400"));
    assert_eq!(listed(journal, DeliveryStatus::Waiting).await, []);

    assert_eq!(journal.retry(&[id, id + 1000]).await.unwrap(), 1);
    assert_eq!(journal.retry(&[id]).await.unwrap(), 0, "only dead messages are retried");
    let revived = listed(journal, DeliveryStatus::Waiting).await;
    assert_eq!((revived[0].attempts, revived[0].dead_at), (0, None));
    assert_eq!(claim(journal, HOUR).await[0].attempts, 1);
}

pub(crate) async fn delivered_messages_stay_delivered(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    journal.enqueue(&[message("hook", "a"), message("hook", "b"), message("hook", "c")], 1000).await.unwrap();
    let ids: Vec<_> = claim(journal, Duration::ZERO).await.iter().map(|delivery| delivery.id).collect();
    // A second worker marks a message as dead that the first worker has delivered after all.
    claim(journal, Duration::ZERO).await;
    assert!(journal.mark_delivery_failed(ids[1], 2, "gone", AfterFailure::Dead).await.unwrap());
    journal.mark_delivered(&ids[..2], 2600).await.unwrap();
    journal.mark_delivered(&ids[..1], 9999).await.unwrap();
    journal.mark_delivered(&[], 9999).await.unwrap();
    let soon = AfterFailure::RetryAfter(Duration::ZERO);
    assert!(!journal.mark_delivery_failed(ids[0], 2, "gone", soon).await.unwrap());
    assert_eq!(journal.retry(&ids).await.unwrap(), 0);
    assert_eq!(keys(&claim(journal, HOUR).await), ["c"]);
    let done = listed(journal, DeliveryStatus::Delivered).await;
    assert_eq!(keys(&done), ["a", "b"]);
    assert!(done.iter().all(|delivery| delivery.delivered_at == Some(2600) && delivery.dead_at.is_none()));
}

pub(crate) async fn messages_are_listed_in_pages(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    for n in 0..20 {
        let sink = if n % 2 == 0 { "hook" } else { "queue" };
        journal.enqueue(&[message(sink, &format!("{n:02}"))], 1000).await.unwrap();
    }
    for (sink, count) in [(None, 20), (Some("hook"), 10), (Some("none"), 0)] {
        for status in [None, Some(DeliveryStatus::Waiting)] {
            let filter = OutboxFilter { sink: sink.map(Into::into), status };
            let mut seen: Vec<OutboxMessage> = Vec::new();
            loop {
                let after = seen.last().map(|delivery| delivery.id);
                let page = journal.deliveries(&filter, after, 3).await.unwrap();
                assert!(page.len() <= 3);
                if page.is_empty() {
                    break;
                }
                seen.extend(page);
            }
            assert_eq!(seen.len(), count);
            assert!(keys(&seen).is_sorted_by(|a, b| a < b));
        }
    }
}

pub(crate) async fn concurrent_claims_return_each_message_once(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let messages: Vec<_> = (0..100).map(|n| message("hook", &format!("{n}"))).collect();
    catalog.journal().enqueue(&messages, 1000).await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let catalog = storage.open().await;
        tasks.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let more = catalog.journal().claim_deliveries("hook", 7, HOUR).await.unwrap();
                assert!(more.len() <= 7);
                if more.is_empty() {
                    return mine;
                }
                let ids: Vec<_> = more.iter().map(|delivery| delivery.id).collect();
                catalog.journal().mark_delivered(&ids, 2000).await.unwrap();
                mine.extend(more);
            }
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    let unique: BTreeSet<_> = all.iter().map(|delivery| delivery.id).collect();
    assert_eq!((all.len(), unique.len()), (100, 100));
    assert!(all.iter().all(|delivery| delivery.attempts == 1));
    assert_eq!(listed(catalog.journal(), DeliveryStatus::Waiting).await, []);
}

pub(crate) async fn expired_records_are_pruned_in_batches(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let detected_in = DetectionSource::Stream("a".into());
    for n in 0..25_u32 {
        let at = 1000 + i64::from(n);
        let detected = detection(u128::from(n), detected_in.clone(), at - 10, at);
        let detected = if n % 2 == 0 { ended(&detected) } else { detected };
        assert!(journal.record(&detected, &[message("hook", &format!("{n}"))], at).await.unwrap());
    }
    let ids: Vec<_> = claim(journal, HOUR).await.iter().map(|delivery| delivery.id).collect();
    for (n, id) in ids.iter().enumerate() {
        let at = 1000 + n as i64;
        match n % 3 {
            0 => journal.mark_delivered(&[*id], at).await.unwrap(),
            1 => assert!(journal.mark_delivery_failed(*id, 1, "", AfterFailure::Dead).await.unwrap()),
            _ => {}
        }
    }
    let mut batches = Vec::new();
    while batches.last() != Some(&PruneCounts::default()) {
        batches.push(journal.prune(RetentionLimits::before(1020), 8).await.unwrap());
    }
    let of = |detections, deliveries| PruneCounts { detections, deliveries, streams: 0 };
    assert_eq!(batches, [of(8, 7), of(8, 0), of(4, 0), of(0, 0)]);
    let remaining = journal.detections_between(&detected_in, 0, 9999, None, 100).await.unwrap();
    assert!(remaining.iter().map(|detection| detection.last_seen).eq(1020..1025));
    assert_eq!(listed(journal, DeliveryStatus::Waiting).await.len(), 8, "waiting messages are kept");
    assert_eq!(listed(journal, DeliveryStatus::Dead).await.len(), 8, "they died just now");
    assert_eq!(listed(journal, DeliveryStatus::Delivered).await.len(), 2);
    let later = RetentionLimits { deliveries: Some(now() + 60_000), detections: None };
    assert_eq!(journal.prune(later, 99).await.unwrap().deliveries, 10);
    assert_eq!(listed(journal, DeliveryStatus::Waiting).await.len(), 8, "waiting messages are kept");
}

pub(crate) async fn each_kind_of_record_has_its_own_age_limit(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let detected_in = DetectionSource::Stream("a".into());
    let detected = detection(1, detected_in.clone(), 900, 1000);
    assert!(journal.record(&detected, &[message("hook", "a")], 1000).await.unwrap());
    let ids = claim(journal, HOUR).await;
    journal.mark_delivered(&[ids[0].id], 1000).await.unwrap();
    for (id, at) in [("old", 500), ("new", 1500), ("running", 100)] {
        started(journal, &new_stream(id, None, at)).await;
    }
    assert!(journal.end_stream("old", None, None, 1000).await.unwrap());
    assert!(journal.end_stream("new", None, None, 1600).await.unwrap());

    assert_eq!(journal.prune(RetentionLimits::default(), 9).await.unwrap(), PruneCounts::default());
    let messages = RetentionLimits { deliveries: Some(1001), detections: None };
    assert_eq!(
        journal.prune(messages, 9).await.unwrap(),
        PruneCounts { deliveries: 1, ..PruneCounts::default() }
    );
    assert_eq!(journal.detections_between(&detected_in, 0, 9999, None, 9).await.unwrap().len(), 1);
    let history = RetentionLimits { detections: Some(1001), deliveries: None };
    let gone = PruneCounts { detections: 1, streams: 1, deliveries: 0 };
    assert_eq!(journal.prune(history, 9).await.unwrap(), gone);
    let remaining =
        journal.streams(&StreamFilter { over: true, ..StreamFilter::default() }, None, 9).await.unwrap();
    assert!(remaining.iter().map(|stream| stream.id.as_str()).eq(["new", "running"]));
    let again = journal.start_stream(&new_stream("old", None, 500)).await.unwrap();
    assert!(matches!(again, StartOutcome::Started(_)), "a stream that was deleted is not known");
}

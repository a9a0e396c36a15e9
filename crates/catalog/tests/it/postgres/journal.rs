//! The journal with concurrent indexers, locked rows and lost responses.

use std::time::Duration;

use refrain_catalog::{
    AfterFailure, DetectionRecord, DetectionSource, NewOutboxMessage, OutboxFilter, RetentionLimits,
    SessionUpdate, StreamState,
};
use sqlx::{Connection, PgConnection};

use super::Database;
use super::proxy::{AFTER, BEFORE, Proxy};
use crate::contract::detections::detection;
use crate::contract::leases::{HOUR, claimed, renewed};
use crate::contract::sessions::{report, reported};
use crate::contract::streams::{new_stream, started};
use crate::contract::{TestStorage, new_track};

fn message(key: &str) -> NewOutboxMessage {
    NewOutboxMessage { sink: "hook".into(), key: key.into(), payload: "{}".into() }
}

async fn run(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

#[tokio::test]
async fn an_indexer_does_not_block_the_journal() {
    let database = Database::new();
    let catalog = database.open().await;
    let mut indexer = database.connect().await;
    // "refrain!", the lock of every writer of the catalog.
    run(&mut indexer, "SELECT pg_advisory_lock(8243107334418165281)").await;
    let add = catalog.add(new_track("a", 1));
    assert!(tokio::time::timeout(Duration::from_millis(300), add).await.is_err(), "it is the right lock");

    let journal = catalog.journal();
    let all = async {
        let stream = started(journal, &new_stream("a", None, 1000)).await;
        assert_eq!(claimed(journal, "w", 9, HOUR).await, ["a"]);
        assert_eq!(renewed(journal, "w").await, ["a"]);
        let live = report(StreamState::Live);
        assert!(reported(journal, "w", &stream.key(), &live).await);
        let detected = detection(1, DetectionSource::Stream("a".into()), 1000, 2000);
        assert!(journal.record(&detected, &[message("a")], 2000).await.unwrap());
        let claims = journal.claim_deliveries("hook", 9, HOUR).await.unwrap();
        journal.mark_delivered(&[claims[0].id], 2000).await.unwrap();
        assert_eq!(journal.prune(RetentionLimits::before(2001), 9).await.unwrap().detections, 1);
        assert!(journal.end_stream("a", None, None, 3000).await.unwrap());
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("the journal waits for an indexer");
}

#[tokio::test]
async fn claims_skip_locked_rows() {
    let database = Database::new();
    let catalog = database.open().await;
    let journal = catalog.journal();
    for id in ["a", "b"] {
        started(journal, &new_stream(id, None, 1000)).await;
        journal.enqueue(&[message(id)], 1000).await.unwrap();
    }
    let mut other = database.connect().await;
    let mut transaction = other.begin().await.unwrap();
    run(&mut transaction, "SELECT FROM refrain.streams WHERE id = 'a' FOR UPDATE").await;
    run(&mut transaction, "SELECT FROM refrain.outbox WHERE key = 'a' FOR UPDATE").await;
    assert_eq!(claimed(journal, "w", 9, HOUR).await, ["b"]);
    let claims = journal.claim_deliveries("hook", 9, HOUR).await.unwrap();
    assert!(claims.iter().map(|claim| claim.key.as_str()).eq(["b"]));
    transaction.rollback().await.unwrap();
    assert_eq!(claimed(journal, "w", 9, HOUR).await, ["a"]);
}

async fn assert_stream_calls_apply_once(when: u8) {
    let database = Database::new();
    let proxy = Proxy::to(database.options().get_host(), database.options().get_port());
    let catalog = refrain_catalog::open(&proxy.url(&database)).await.unwrap();
    let journal = catalog.journal();
    for id in ["a", "b", "c"] {
        proxy.lose_next_commit(when);
        started(journal, &new_stream(id, None, 1000)).await;
        assert!(proxy.has_lost());
    }
    // If the first stream were lost, the second would be returned in its place, and no worker would process the first.
    for id in ["a", "b", "c"] {
        proxy.lose_next_commit(when);
        assert_eq!(claimed(journal, "w", 1, HOUR).await, [id]);
        assert!(proxy.has_lost());
    }
    proxy.lose_next_commit(when);
    assert_eq!(renewed(journal, "w").await, ["a", "b", "c"]);
    proxy.lose_next_commit(when);
    assert!(journal.end_stream("a", None, None, 2000).await.unwrap(), "it was this call that ended it");
    assert!(!journal.end_stream("a", None, None, 2000).await.unwrap());
    let stream = journal.stream("b").await.unwrap().unwrap();
    let detection = detection(1, DetectionSource::Stream("b".into()), 1000, 2000);
    let records = [DetectionRecord { detection, messages: vec![message("b")] }];
    let failed = report(StreamState::Failed);
    let update = SessionUpdate {
        detections: &records,
        messages: &[message("none")],
        report: Some(&failed),
        ..SessionUpdate::default()
    };
    proxy.lose_next_commit(when);
    assert!(journal.record_session("w", &stream.key(), &update, 2000).await.unwrap());
    let outbox = journal.deliveries(&OutboxFilter::default(), None, 9).await.unwrap();
    assert!(outbox.iter().map(|message| message.key.as_str()).eq(["b", "none"]));
    proxy.lose_next_commit(when);
    assert_eq!(journal.release("w", None).await.unwrap(), 1);
    assert!(proxy.has_lost());
    assert_eq!(renewed(journal, "w").await, Vec::<String>::new());
}

async fn assert_message_calls_apply_once(when: u8) {
    let database = Database::new();
    let proxy = Proxy::to(database.options().get_host(), database.options().get_port());
    let catalog = refrain_catalog::open(&proxy.url(&database)).await.unwrap();
    let journal = catalog.journal();
    let detected = detection(1, DetectionSource::Stream("a".into()), 1000, 2000);
    proxy.lose_next_commit(when);
    assert!(journal.record(&detected, &[message("a"), message("b")], 2000).await.unwrap());
    proxy.lose_next_commit(when);
    journal.enqueue(&[message("c")], 2000).await.unwrap();
    assert!(proxy.has_lost());
    let claims = journal.claim_deliveries("hook", 9, HOUR).await.unwrap();
    assert!(claims.iter().map(|claim| claim.key.as_str()).eq(["a", "b", "c"]));
    for (claim, then) in claims.iter().zip([AfterFailure::RetryAfter(HOUR), AfterFailure::Dead]) {
        proxy.lose_next_commit(when);
        assert!(journal.mark_delivery_failed(claim.id, 1, "status 503", then).await.unwrap());
    }
    proxy.lose_next_commit(when);
    assert_eq!(journal.retry(&[claims[1].id]).await.unwrap(), 1);
    proxy.lose_next_commit(when);
    journal.mark_delivered(&[claims[2].id], 2700).await.unwrap();
    assert!(proxy.has_lost());
    let due = journal.claim_deliveries("hook", 9, HOUR).await.unwrap();
    assert!(due.iter().map(|claim| claim.key.as_str()).eq(["b"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_lost_on_its_way_is_applied_once() {
    assert_stream_calls_apply_once(BEFORE).await;
    assert_message_calls_apply_once(BEFORE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_with_a_lost_response_is_applied_once() {
    assert_stream_calls_apply_once(AFTER).await;
    assert_message_calls_apply_once(AFTER).await;
}

//! The journal among indexers, locked rows and lost answers.

use std::time::Duration;

use refrain_catalog::{HeardIn, NewDelivery, StartOutcome, StreamReport, StreamState};
use sqlx::{Connection, PgConnection};

use super::Database;
use crate::contract::detections::detection;
use crate::contract::leases::{HOUR, claimed, renewed};
use crate::contract::streams::{new_stream, started};
use crate::contract::{Place, new_track};

fn message(key: &str) -> NewDelivery {
    NewDelivery { sink: "hook".into(), key: key.into(), payload: "{}".into() }
}

async fn run(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

#[tokio::test]
async fn an_indexer_is_not_in_the_way() {
    let database = Database::new();
    let catalog = database.open().await;
    let mut indexer = database.connect().await;
    // "refrain!", which every writer of the catalogue takes.
    run(&mut indexer, "SELECT pg_advisory_lock(8243107334418165281)").await;
    let add = catalog.add(new_track("a", 1));
    assert!(tokio::time::timeout(Duration::from_millis(300), add).await.is_err(), "it is the right lock");

    let journal = catalog.journal();
    let all = async {
        let stream = started(journal, &new_stream("a", None, 1000)).await;
        assert_eq!(claimed(journal, "w", 9, HOUR).await, ["a"]);
        assert_eq!(renewed(journal, "w").await, ["a"]);
        let live = StreamReport {
            id: stream.id,
            started_at: stream.started_at,
            state: StreamState::Live,
            reason: None,
            epoch: None,
        };
        assert!(journal.report_stream("w", &live, 2000).await.unwrap());
        let heard = detection(1, HeardIn::Stream("a".into()), 1000, 2000);
        assert!(journal.record(&heard, &[message("a")], 2000).await.unwrap());
        let claims = journal.claim_deliveries("hook", 9, 2000, 3000).await.unwrap();
        journal.delivered(&[claims[0].id], 2000).await.unwrap();
        assert_eq!(journal.prune(2001, 9).await.unwrap().detections, 1);
        assert!(journal.end_stream("a", None, None, 3000).await.unwrap());
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("the journal waits for an indexer");
}

#[tokio::test]
async fn claims_pass_over_what_others_are_at() {
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
    let claims = journal.claim_deliveries("hook", 9, 1000, 2000).await.unwrap();
    assert!(claims.iter().map(|claim| claim.key.as_str()).eq(["b"]));
    transaction.rollback().await.unwrap();
    assert_eq!(claimed(journal, "w", 9, HOUR).await, ["a"]);
}

//! Notifications of changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{Catalog, PostgresSettings, TrackUpdate};
use sqlx::PgConnection;
use sqlx::postgres::{PgListener, PgPoolOptions};

use super::{Database, open_with};
use crate::contract::{TestStorage, added, new_track, unchanged};

const LISTENING: &str =
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";

/// The server process of the catalog's listening connection.
async fn listener(other: &mut PgConnection) -> i32 {
    let started = Instant::now();
    loop {
        if let Some(pid) = sqlx::query_scalar(LISTENING).fetch_optional(&mut *other).await.unwrap() {
            return pid;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "no connection listens");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn wait(catalog: &Arc<dyn Catalog>, position: u64) -> tokio::task::JoinHandle<bool> {
    let catalog = Arc::clone(catalog);
    tokio::spawn(async move { catalog.wait_for_change(position, Duration::from_secs(60)).await.unwrap() })
}

async fn noticed(waiting: tokio::task::JoinHandle<bool>) {
    assert!(tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap());
}

#[tokio::test]
async fn every_change_sends_a_notification() {
    let database = Database::new();
    let catalog = database.open().await;
    let pool = PgPoolOptions::new().max_connections(1).connect_with(database.options()).await.unwrap();
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen("refrain_changes").await.unwrap();
    let mut expect_notification = async || {
        let notification = tokio::time::timeout(Duration::from_secs(10), listener.recv()).await;
        assert_eq!(notification.unwrap().unwrap().channel(), "refrain_changes");
    };
    let track = added(&*catalog, new_track("a", 1)).await;
    expect_notification().await;
    catalog.update(track.id, TrackUpdate::default()).await.unwrap().unwrap();
    expect_notification().await;
    catalog.add_all((0..100).map(|n| new_track(&format!("{n}"), n)).collect()).await.unwrap();
    expect_notification().await;
    catalog.remove(track.id).await.unwrap();
    expect_notification().await;
    // Calls that change nothing send no notification: the next one is on another channel.
    unchanged(&*catalog, new_track("7", 7)).await;
    assert!(!catalog.remove(track.id).await.unwrap());
    listener.listen("other").await.unwrap();
    database.run("NOTIFY other").await;
    let next = tokio::time::timeout(Duration::from_secs(10), listener.recv()).await.unwrap().unwrap();
    assert_eq!(next.channel(), "other");
}

#[tokio::test]
async fn changes_are_noticed_after_the_listening_connection_is_lost() {
    let database = Database::new();
    let (catalog, writer) = (database.open().await, database.open().await);
    let mut other = database.connect().await;
    let waiting = wait(&catalog, 0);
    let first = listener(&mut other).await;
    sqlx::query("SELECT pg_terminate_backend($1)").bind(first).execute(&mut other).await.unwrap();
    added(&*writer, new_track("a", 1)).await;
    noticed(waiting).await;
    let waiting = wait(&catalog, 1);
    let started = Instant::now();
    while listener(&mut other).await == first {
        assert!(started.elapsed() < Duration::from_secs(30), "no new connection listens");
    }
    added(&*writer, new_track("b", 2)).await;
    noticed(waiting).await;
}

#[tokio::test]
async fn changes_are_noticed_without_listening() {
    let database = Database::new();
    let writer = database.open().await;
    let role = database.role().await;
    database
        .run(format!(
            "ALTER ROLE {role} CONNECTION LIMIT 1; GRANT USAGE ON SCHEMA refrain TO {role}; \
             GRANT SELECT ON ALL TABLES IN SCHEMA refrain TO {role}"
        ))
        .await;
    let settings = PostgresSettings { max_connections: 1, ..PostgresSettings::default() };
    let catalog = open_with(&database.url_as(&role), settings).await.unwrap();
    assert_eq!(catalog.count().await.unwrap(), 0);
    let waiting = wait(&catalog, 0);
    added(&*writer, new_track("a", 1)).await;
    noticed(waiting).await;
    let mut other = database.connect().await;
    assert_eq!(sqlx::query_scalar::<_, i32>(LISTENING).fetch_optional(&mut other).await.unwrap(), None);
}

#[tokio::test]
async fn closing_ends_every_connection() {
    let database = Database::new();
    let catalog = database.open().await;
    added(&*catalog, new_track("a", 1)).await;
    let mut other = database.connect().await;
    let waiting = wait(&catalog, 0);
    noticed(waiting).await;
    listener(&mut other).await;
    catalog.close().await.unwrap();
    let started = Instant::now();
    let ours = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = 'refrain'";
    while sqlx::query_scalar::<_, i64>(ours).fetch_one(&mut other).await.unwrap() > 0 {
        assert!(started.elapsed() < Duration::from_secs(30), "connections remain open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

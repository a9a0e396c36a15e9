//! Schemas of other versions, and users with few privileges.

use std::time::Duration;

use refrain_catalog::{CatalogError, TrackFilter};
use refrain_testkit::PostgresServer;
use sqlx::Executor;

use super::{Database, rejection};
use crate::contract::races::consistent;
use crate::contract::{TestStorage, added, new_track};

async fn newest_version(database: &Database) -> i64 {
    sqlx::query_scalar("SELECT max(version) FROM refrain.schema_versions")
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_opened_concurrently_is_created_once() {
    let database = Database::new();
    let mut tasks = Vec::new();
    for n in 0..8 {
        let url = database.url();
        tasks.push(tokio::spawn(async move {
            let catalog = refrain_catalog::open(&url).await.unwrap();
            added(&*catalog, new_track(&format!("{n}"), n)).await;
            catalog.identity()
        }));
    }
    let mut identities = std::collections::BTreeSet::new();
    for task in tasks {
        identities.insert(task.await.unwrap());
    }
    assert_eq!(identities.len(), 1);
    let catalog = database.open().await;
    assert_eq!(catalog.count().await.unwrap(), 8);
    consistent(&*catalog).await;
}

#[tokio::test]
async fn concurrent_migrations_wait_for_the_lock() {
    let database = Database::new();
    let (mut other, mut watcher) = (database.connect().await, database.connect().await);
    // The state of another process just before it commits.
    let lock = i64::from_be_bytes(*b"refrain!");
    other.execute("BEGIN").await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock).execute(&mut other).await.unwrap();
    let url = database.url();
    let opening = tokio::spawn(async move { refrain_catalog::open(&url).await.map(drop) });
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'";
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watcher).await.unwrap() == 0 {
        assert!(!opening.is_finished(), "it did not wait");
        tokio::task::yield_now().await;
    }
    other.execute("COMMIT").await.unwrap();
    opening.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_rejected_and_not_changed() {
    let database = Database::new();
    database.open().await.close().await.unwrap();
    database.run("INSERT INTO refrain.schema_versions VALUES (1000, 'later')").await;
    let error = rejection(&database.url()).await;
    assert!(matches!(error, CatalogError::TooNew { found: 1000, .. }), "{error:?}");
    assert!(error.to_string().contains("update refrain"));
    assert_eq!(newest_version(&database).await, 1000);
}

#[tokio::test]
async fn an_older_schema_is_upgraded_by_its_owner_only() {
    let database = Database::new();
    let catalog = database.open().await;
    added(&*catalog, new_track("a", 1)).await;
    let newest = newest_version(&database).await;
    database
        .run(format!(
            "ALTER TABLE refrain.streams DROP COLUMN headers, DROP COLUMN state_detail, DROP COLUMN alerts; \
             DELETE FROM refrain.schema_versions WHERE version = {newest}"
        ))
        .await;
    let role = database.role().await;
    database
        .run(format!(
            "GRANT USAGE ON SCHEMA refrain TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA refrain TO {role}"
        ))
        .await;

    let error = rejection(&database.url_as(&role)).await;
    let CatalogError::TooOld { found, supported, .. } = error else { panic!("{error:?}") };
    assert_eq!((found, supported), (newest - 1, newest));
    let text = error.to_string();
    assert!(
        text.contains(&format!("schema {found}")) && text.contains(&format!("needs schema {newest}")),
        "{text}"
    );
    assert!(text.contains("as its owner"), "{text}");
    assert_eq!(newest_version(&database).await, newest - 1);

    let catalog = database.open().await;
    assert_eq!(catalog.count().await.unwrap(), 1);
    assert_eq!(catalog.journal().stream("a").await.unwrap(), None);
    assert_eq!(newest_version(&database).await, newest);
    refrain_catalog::open(&database.url_as(&role)).await.unwrap();
}

#[tokio::test]
async fn content_of_another_program_is_rejected_and_not_changed() {
    let database = Database::new();
    database.run("CREATE SCHEMA refrain; CREATE TABLE refrain.tracks (a int)").await;
    let error = rejection(&database.url()).await;
    assert!(matches!(error, CatalogError::NotACatalog { .. }), "{error:?}");
    database.run("SELECT a FROM refrain.tracks").await;
}

#[tokio::test]
async fn other_tables_and_a_search_path_do_not_matter() {
    let database = Database::new();
    database
        .run("CREATE TABLE tracks (a int); CREATE TABLE changes (a int); CREATE TABLE meta (a int)")
        .await;
    database
        .run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = nowhere', current_database()); END $$")
        .await;
    let catalog = database.open().await;
    let track = added(&*catalog, new_track("a", 1)).await;
    assert!(catalog.remove(track.id).await.unwrap());
    consistent(&*catalog).await;
}

#[tokio::test]
async fn a_database_without_utf8_is_rejected() {
    let database = Database::of("ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    let error = rejection(&database.url()).await;
    let text = error.to_string();
    assert!(matches!(error, CatalogError::CannotOpen { .. }) && text.contains("--encoding=UTF8"), "{text}");
}

#[tokio::test]
async fn a_role_without_privileges_gets_an_error_with_the_remedy() {
    let database = Database::new();
    let role = database.role().await;
    let cannot_make = rejection(&database.url_as(&role)).await;
    database.open().await.close().await.unwrap();
    let cannot_look = rejection(&database.url_as(&role)).await;
    for error in [cannot_make, cannot_look] {
        let text = error.to_string();
        assert!(matches!(error, CatalogError::NotAllowed { .. }) && !error.is_retryable(), "{error:?}");
        assert!(text.contains("permission denied") && text.contains("GRANT"), "{text}");
    }
}

#[tokio::test]
async fn a_role_may_own_the_schema_alone() {
    let database = Database::new();
    let role = database.role().await;
    database.run(format!("CREATE SCHEMA refrain AUTHORIZATION {role}")).await;
    let catalog = refrain_catalog::open(&database.url_as(&role)).await.unwrap();
    added(&*catalog, new_track("a", 1)).await;
}

#[tokio::test]
async fn a_read_only_role_can_read() {
    let database = Database::new();
    let track = added(&*database.open().await, new_track("a", 1)).await;
    let role = database.role().await;
    database
        .run(format!(
            "GRANT USAGE ON SCHEMA refrain TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA refrain TO {role}"
        ))
        .await;
    let catalog = refrain_catalog::open(&database.url_as(&role)).await.unwrap();
    let listed = catalog.list(&TrackFilter::default(), None, 9).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&track));
    assert_eq!(catalog.constellations(&[track.number]).await.unwrap().len(), 1);
    assert!(catalog.wait_for_change(0, Duration::from_secs(5)).await.unwrap());
    for rejection in
        [catalog.add(new_track("b", 2)).await.map(drop), catalog.remove(track.id).await.map(drop)]
    {
        assert!(matches!(rejection, Err(CatalogError::NotAllowed { .. })), "{rejection:?}");
    }
    assert_eq!(catalog.by_id(track.id).await.unwrap().unwrap(), track);
}

#[tokio::test]
async fn a_role_may_write_without_owning() {
    let database = Database::new();
    database.open().await.close().await.unwrap();
    let role = database.role().await;
    // The grants from docs/postgresql.md.
    database
        .run(format!(
            "GRANT USAGE ON SCHEMA refrain TO {role}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA refrain TO {role}; \
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA refrain TO {role}"
        ))
        .await;
    let catalog = refrain_catalog::open(&database.url_as(&role)).await.unwrap();
    let track = added(&*catalog, new_track("a", 1)).await;
    catalog.update(track.id, refrain_catalog::TrackUpdate::default()).await.unwrap().unwrap();
    assert!(catalog.remove(track.id).await.unwrap());
}

#[tokio::test]
async fn a_standby_can_be_read() {
    let mut server = tokio::task::spawn_blocking(|| PostgresServer::new().unwrap()).await.unwrap();
    let url = server.create_database("songs").unwrap();
    let track = added(&*refrain_catalog::open(&url).await.unwrap(), new_track("a", 1)).await;
    let folder = server.run_sql("songs", "SHOW data_directory").unwrap();
    server.stop().unwrap();
    std::fs::write(std::path::Path::new(&folder).join("standby.signal"), "").unwrap();
    server.start().unwrap();
    assert_eq!(server.run_sql("songs", "SELECT pg_is_in_recovery()").unwrap(), "t");
    let catalog = refrain_catalog::open(&url).await.unwrap();
    assert_eq!(catalog.constellations(&[track.number]).await.unwrap().len(), 1);
    assert!(!catalog.wait_for_change(1, Duration::from_millis(50)).await.unwrap());
    for rejection in
        [catalog.add(new_track("b", 2)).await.map(drop), catalog.remove(track.id).await.map(drop)]
    {
        assert!(matches!(rejection, Err(CatalogError::ReadOnly { .. })), "{rejection:?}");
    }
}

#[tokio::test]
async fn commits_are_synchronous_whatever_the_database_default() {
    let database = Database::new();
    database
        .run(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); \
             END $$",
        )
        .await;
    let catalog = database.open().await;
    database
        .run(
            "CREATE TABLE seen (setting text);
             CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO public.seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
             CREATE TRIGGER look BEFORE UPDATE ON refrain.newest FOR EACH ROW EXECUTE FUNCTION look()",
        )
        .await;
    added(&*catalog, new_track("a", 1)).await;
    let seen: Vec<String> = sqlx::query_scalar("SELECT setting FROM seen")
        .fetch_all(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!(seen, ["on"]);
}

#[tokio::test]
async fn a_read_only_server_can_be_read() {
    let database = Database::new();
    let track = added(&*database.open().await, new_track("a", 1)).await;
    database
        .run(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', \
             current_database()); END $$",
        )
        .await;
    let catalog = database.open().await;
    assert_eq!(catalog.count().await.unwrap(), 1);
    for rejection in
        [catalog.add(new_track("b", 2)).await.map(drop), catalog.remove(track.id).await.map(drop)]
    {
        let Err(error) = rejection else { panic!("a write succeeded") };
        assert!(matches!(error, CatalogError::ReadOnly { .. }), "{error:?}");
        assert!(error.to_string().contains("standby"), "{error}");
    }
}

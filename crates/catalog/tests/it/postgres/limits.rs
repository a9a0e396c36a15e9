//! Rejections, time limits and connection limits of the server.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{AddOutcome, CatalogError, PostgresSettings};
use refrain_testkit::PostgresServer;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use super::{Database, open_with, waiting};
use crate::contract::races::consistent;
use crate::contract::{TestStorage, added, new_track};

/// Locks a table, so that every statement that uses it waits.
async fn lock_tables(connection: &mut PgConnection) {
    connection.execute("BEGIN; LOCK TABLE refrain.tracks").await.unwrap();
}

#[tokio::test]
async fn server_errors_map_to_catalog_errors() {
    let database = Database::new();
    let catalog = open_with(&database.url(), waiting(150)).await.unwrap();
    database
        .run(
            "CREATE TABLE code (code text); INSERT INTO code VALUES ('');
             CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
             DECLARE now text := (SELECT max(code) FROM public.code);
             BEGIN IF now <> '' THEN RAISE EXCEPTION 'as told' USING ERRCODE = now; END IF; RETURN NEW; END $$;
             CREATE TRIGGER fail BEFORE UPDATE ON refrain.newest FOR EACH ROW EXECUTE FUNCTION fail()",
        )
        .await;
    // SQLSTATE, a check of the expected error, and true if that error is retryable.
    type SqlStateCase = (&'static str, fn(&CatalogError) -> bool, bool);
    let table: [SqlStateCase; 14] = [
        ("53100", |error| matches!(error, CatalogError::DiskFull { .. }), false),
        ("53300", |error| matches!(error, CatalogError::TooManyConnections { .. }), true),
        ("40001", |error| matches!(error, CatalogError::Locked { .. }), true),
        ("40P01", |error| matches!(error, CatalogError::Locked { .. }), true),
        ("55P03", |error| matches!(error, CatalogError::Locked { .. }), true),
        ("57014", |error| matches!(error, CatalogError::TimedOut { .. }), true),
        ("57P01", |error| matches!(error, CatalogError::Unreachable { .. }), true),
        ("08006", |error| matches!(error, CatalogError::Unreachable { .. }), true),
        ("25006", |error| matches!(error, CatalogError::ReadOnly { .. }), false),
        ("42501", |error| matches!(error, CatalogError::NotAllowed { .. }), false),
        ("58030", |error| matches!(error, CatalogError::Io { .. }), false),
        ("XX001", |error| matches!(error, CatalogError::Corrupt { .. }), false),
        ("54000", |error| matches!(error, CatalogError::Invalid { .. }), false),
        ("P0001", |error| matches!(error, CatalogError::Database { .. }), false),
    ];
    for (code, is, retryable) in table {
        database.run(format!("UPDATE code SET code = '{code}'")).await;
        let error = catalog.add(new_track("a", 1)).await.unwrap_err();
        assert!(is(&error) && error.is_retryable() == retryable, "{code}: {error:?}");
        assert!(error.to_string().contains("postgres://"), "{code}: {error}");
        assert_eq!((catalog.count().await.unwrap(), catalog.position().await.unwrap()), (0, 0), "{code}");
    }
    database.run("UPDATE code SET code = ''").await;
    added(&*catalog, new_track("a", 1)).await;
}

#[tokio::test]
async fn a_conflict_is_retried() {
    let database = Database::new();
    let catalog = database.open().await;
    // A sequence keeps counting when its transaction is rolled back.
    database
        .run(
            "CREATE SEQUENCE tries;
             CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('public.tries') < 4 THEN RAISE EXCEPTION 'not yet' USING ERRCODE = '40001'; END IF;
             RETURN NEW; END $$;
             CREATE TRIGGER fail BEFORE UPDATE ON refrain.newest FOR EACH ROW EXECUTE FUNCTION fail()",
        )
        .await;
    added(&*catalog, new_track("a", 1)).await;
    let tries: i64 = sqlx::query_scalar("SELECT last_value FROM tries")
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!((tries, catalog.position().await.unwrap()), (4, 1));
    consistent(&*catalog).await;
}

#[tokio::test]
async fn track_numbers_beyond_32_bits_are_an_error() {
    let database = Database::new();
    let catalog = database.open().await;
    added(&*catalog, new_track("0", 0)).await;
    database.run("SELECT setval('refrain.tracks_number_seq', 4294967294)").await;
    let last = added(&*catalog, new_track("1", 1)).await;
    assert_eq!(last.number.0, u32::MAX);
    let error = catalog.add(new_track("2", 2)).await.unwrap_err();
    assert!(matches!(error, CatalogError::TooManyTracks { .. }), "{error:?}");
    assert_eq!((catalog.count().await.unwrap(), catalog.position().await.unwrap()), (2, 2));
    let again = catalog.add(new_track("1", 1)).await.unwrap();
    assert_eq!(again, AddOutcome::Unchanged(last));
}

#[tokio::test]
async fn a_statement_over_its_time_limit_fails() {
    let database = Database::new();
    database.open().await.close().await.unwrap();
    let settings = PostgresSettings { statement_timeout: Duration::from_millis(100), ..Default::default() };
    let catalog = open_with(&database.url(), settings).await.unwrap();
    let mut other = database.connect().await;
    lock_tables(&mut other).await;
    for call in [catalog.count().await.map(drop), catalog.add(new_track("a", 1)).await.map(drop)] {
        let Err(error) = call else { panic!("the table was locked") };
        assert!(matches!(error, CatalogError::TimedOut { .. }) && error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains("statement time-out"), "{error}");
    }
    other.execute("ROLLBACK").await.unwrap();
    added(&*catalog, new_track("a", 1)).await;
}

#[tokio::test]
async fn a_canceled_statement_fails() {
    let database = Database::new();
    let catalog = database.open().await;
    let mut other = database.connect().await;
    lock_tables(&mut other).await;
    let counting = {
        let catalog = Arc::clone(&catalog);
        tokio::spawn(async move { catalog.count().await })
    };
    // Uses another connection, because a transaction always sees the same state of the activity.
    let mut watcher = database.connect().await;
    let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
                  AND application_name = 'refrain' AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(cancel).fetch_one(&mut watcher).await.unwrap() == 0 {
        assert!(!counting.is_finished());
        tokio::task::yield_now().await;
    }
    let error = counting.await.unwrap().unwrap_err();
    assert!(matches!(error, CatalogError::TimedOut { .. }), "{error:?}");
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(catalog.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_lock_that_is_never_released_is_a_retryable_error() {
    let database = Database::new();
    let catalog = open_with(&database.url(), waiting(200)).await.unwrap();
    let mut other = database.connect().await;
    let lock = i64::from_be_bytes(*b"refrain!");
    sqlx::query("SELECT pg_advisory_lock($1)").bind(lock).execute(&mut other).await.unwrap();
    let error = catalog.add(new_track("a", 1)).await.unwrap_err();
    assert!(matches!(error, CatalogError::Locked { .. }) && error.is_retryable(), "{error:?}");
    assert_eq!(catalog.count().await.unwrap(), 0, "readers do not wait for the lock");
    other.close().await.unwrap();
    added(&*catalog, new_track("a", 1)).await;
}

#[tokio::test]
async fn extreme_settings_are_clamped() {
    let database = Database::new();
    let (ever, never) = (Duration::MAX, Duration::ZERO);
    for (max_connections, time, statement_timeout) in [(u32::MAX, ever, ever), (0, ever, never)] {
        let settings =
            PostgresSettings { max_connections, acquire_timeout: time, statement_timeout, retry_for: time };
        let catalog = open_with(&database.url(), settings).await.unwrap();
        catalog.add(new_track("a", 1)).await.unwrap();
        assert!(catalog.wait_for_change(0, ever).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_is_enough_for_many_calls() {
    let database = Database::new();
    let settings = PostgresSettings { max_connections: 1, ..Default::default() };
    let catalog = open_with(&database.url(), settings).await.unwrap();
    let mut tasks = Vec::new();
    for n in 0..20 {
        let catalog = Arc::clone(&catalog);
        tasks.push(tokio::spawn(async move {
            added(&*catalog, new_track(&format!("{n}"), n)).await;
            assert!(catalog.position().await.unwrap() > 0);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    consistent(&*catalog).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_a_free_connection_is_busy() {
    let database = Database::new();
    let settings = PostgresSettings { max_connections: 1, ..waiting(300) };
    let catalog = open_with(&database.url(), settings).await.unwrap();
    // An addition takes as long as this test holds the lock.
    database
        .run(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
             CREATE TRIGGER wait BEFORE UPDATE ON refrain.newest FOR EACH ROW EXECUTE FUNCTION wait();
             ALTER FUNCTION wait() SET lock_timeout = 0",
        )
        .await;
    let mut other = database.connect().await;
    other.execute("SELECT pg_advisory_lock(1)").await.unwrap();
    let adding = {
        let catalog = Arc::clone(&catalog);
        tokio::spawn(async move { added(&*catalog, new_track("a", 1)).await })
    };
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'refrain' AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut other).await.unwrap() == 0 {
        assert!(!adding.is_finished());
        tokio::task::yield_now().await;
    }
    let error = catalog.count().await.unwrap_err();
    assert!(matches!(error, CatalogError::Busy { .. }) && error.is_retryable(), "{error:?}");
    other.close().await.unwrap();
    adding.await.unwrap();
    assert_eq!(catalog.count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_server_without_a_free_connection_is_reported() {
    let start = || {
        let builder = PostgresServer::builder().setting("max_connections = 7");
        builder.setting("superuser_reserved_connections = 3").start().unwrap()
    };
    let server = tokio::task::spawn_blocking(start).await.unwrap();
    server.create_database("songs").unwrap();
    server.run_sql("songs", "CREATE ROLE me LOGIN; GRANT CREATE ON DATABASE songs TO me").unwrap();
    let url = server.url("songs").replace("postgres@", "me@");
    let catalog = open_with(&url, waiting(300)).await.unwrap();
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let mut others = Vec::new();
    let full = loop {
        match options.connect().await {
            Ok(connection) => others.push(connection),
            Err(error) => break error,
        }
    };
    assert_eq!(full.as_database_error().unwrap().code().unwrap(), "53300");
    let errors = [
        open_with(&url, waiting(300)).await.map(drop),
        catalog.count().await.map(drop),
        catalog.add(new_track("a", 1)).await.map(drop),
    ];
    for error in errors {
        let Err(error) = error else { panic!("there was a connection") };
        assert!(
            matches!(error, CatalogError::TooManyConnections { .. }) && error.is_retryable(),
            "{error:?}"
        );
        assert!(error.to_string().contains("max_connections"), "{error}");
    }
    others.clear();
    assert_eq!(refrain_catalog::open(&url).await.unwrap().count().await.unwrap(), 0);
    added(&*catalog, new_track("a", 1)).await;
}

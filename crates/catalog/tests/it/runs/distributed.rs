//! The rows of the index on three servers, as distributed by `scripts/sql/spread-fdw.sql`.

use std::path::Path;
use std::sync::Arc;

use refrain_catalog::{Catalog, CatalogError};
use refrain_core::index::IndexError;
use refrain_index_sync::SyncError;
use refrain_testkit::PostgresServer;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::task::spawn_blocking;

use super::{clip, compare, found, open, runs, search, song, songs};
use crate::contract::replaced;
use crate::postgres::outage::until;
use crate::postgres::{open_with, waiting};

const DATABASE: &str = "refrain";
/// Partitions on the other two servers; two remain on the main server.
const PARTS: [&str; 2] = ["0,3,6", "1,4,7"];

/// A catalog whose postings are distributed over three servers.
struct DistributedServers {
    main: PostgresServer,
    others: [PostgresServer; 2],
}

impl DistributedServers {
    /// Three servers, with a catalog on the first one that does not use the others yet.
    async fn before() -> Self {
        let start = || {
            spawn_blocking(|| {
                let builder =
                    PostgresServer::builder().setting("shared_preload_libraries = 'pg_stat_statements'");
                let server = builder.start().unwrap();
                server.create_database(DATABASE).unwrap();
                server
            })
        };
        let (main, one, two) = (start(), start(), start());
        Self { main: main.await.unwrap(), others: [one.await.unwrap(), two.await.unwrap()] }
    }

    async fn new() -> Self {
        let servers = Self::before().await;
        servers.catalog().await.close().await.unwrap();
        servers.spread();
        servers
    }

    fn spread(&self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/sql/spread-fdw.sql");
        for (other, parts) in self.others.iter().zip(PARTS) {
            let port = other.port().to_string();
            let server_variables =
                [("host", "127.0.0.1"), ("port", &port), ("dbname", DATABASE), ("user", "postgres")];
            let variables = [&server_variables[..], &[("parts", parts)]].concat();
            self.main.run_script(DATABASE, &script, &variables).unwrap();
        }
    }

    /// A handle that does not wait long for unavailable servers.
    async fn catalog(&self) -> Arc<dyn Catalog> {
        open_with(&self.main.url(DATABASE), waiting(1000)).await.unwrap()
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.main.url(DATABASE)).await.unwrap()
    }

    /// Number of rows on each server, counted on that server.
    fn rows(&self) -> [i64; 3] {
        let count = |server: &PostgresServer, parts: &str| -> i64 {
            let tables =
                parts.split(',').map(|part| format!("(SELECT count(*) FROM refrain.postings_{part})"));
            let sql = format!("SELECT {}", tables.collect::<Vec<_>>().join(" + "));
            server.run_sql(DATABASE, &sql).unwrap().parse().unwrap()
        };
        [count(&self.main, "2,5"), count(&self.others[0], PARTS[0]), count(&self.others[1], PARTS[1])]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_on_three_servers_give_the_same_answers() {
    let servers = DistributedServers::before().await;
    let catalog = servers.catalog().await;
    let index = runs(&catalog);
    // Existing rows are moved.
    for n in 0..4 {
        songs(&*catalog, n..n + 1).await;
        index.pack().await.unwrap();
    }
    let before = compare(&catalog, 0..5).await;
    servers.spread();
    assert_eq!(compare(&catalog, 0..5).await, before);
    for n in 4..12 {
        songs(&*catalog, n..n + 1).await;
        index.pack().await.unwrap();
        while index.merge().await.unwrap() {}
    }
    songs(&*catalog, 12..90).await;
    assert_eq!(index.pack().await.unwrap().added, 78);
    let rows = servers.rows();
    assert!(rows.iter().all(|count| *count > 40), "{rows:?}");
    let results = compare(&catalog, 6..16).await;
    assert!(found(&results).len() >= 29);
    for n in 0..12 {
        let track = catalog.find_by_source(&format!("song {n}")).await.unwrap().unwrap();
        catalog.remove(track.id).await.unwrap();
    }
    replaced(&*catalog, song("song 13", 97)).await;
    index.pack().await.unwrap();
    while index.merge().await.unwrap() {}
    let after_merge = compare(&catalog, 10..15).await;
    assert!((5..=6).contains(&found(&after_merge).len()), "songs 12 and 14 are left: {after_merge:?}");
    index.reset().await.unwrap();
    assert_eq!(servers.rows(), [0; 3]);
    assert_eq!(index.pack().await.unwrap().added, 78);
    assert_eq!(found(&compare(&catalog, 10..15).await), found(&after_merge));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lookup_queries_all_servers_concurrently() {
    let servers = DistributedServers::new().await;
    let catalog = servers.catalog().await;
    songs(&*catalog, 0..3).await;
    runs(&catalog).pack().await.unwrap();
    servers.main.run_sql(DATABASE, "CREATE EXTENSION pg_stat_statements").unwrap();
    assert_eq!(search(&Arc::new(open(&catalog).await), clip(1, 1.0, 0)).await.unwrap().found.len(), 1);
    // The statement as sent by the program.
    let lookup = servers.main.run_sql(
        DATABASE,
        "SELECT query FROM pg_stat_statements WHERE query LIKE 'SELECT%refrain.postings%bucket = ANY($1)%'",
    );
    let lookup = lookup.unwrap();
    let mut connection = servers.connect().await;
    let prepare = format!("PREPARE lookup (integer[]) AS {lookup}; SET plan_cache_mode = force_generic_plan");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut connection).await.unwrap();
    let explain = "EXPLAIN (VERBOSE, COSTS OFF) EXECUTE lookup ('{64,65,66}')";
    let lines = sqlx::raw_sql(explain).fetch_all(&mut connection).await.unwrap();
    let lines: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
    let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(
        (count("Append"), count("Foreign Scan"), count("Async Foreign Scan")),
        (1, 6, 6),
        "{lines:#?}"
    );
    let remote: Vec<&String> = lines.iter().filter(|line| line.contains("Remote SQL")).collect();
    assert!(remote.iter().all(|line| line.contains("WHERE ((bucket = ANY ($1::integer[])))")), "{remote:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unavailable_server_is_named_and_retried() {
    let mut servers = DistributedServers::new().await;
    let catalog = servers.catalog().await;
    songs(&*catalog, 0..3).await;
    runs(&catalog).pack().await.unwrap();
    let index = Arc::new(open(&catalog).await);
    let result = search(&index, clip(1, 1.0, 0)).await.unwrap();
    assert_eq!(result.found.len(), 1);
    servers.others[1].stop().unwrap();
    let error = search(&index, clip(1, 1.0, 0)).await.unwrap_err();
    let IndexError::Rows { source } = &error else { panic!("{error:?}") };
    assert_names_server(source.downcast_ref().unwrap(), servers.others[1].port());
    songs(&*catalog, 3..4).await;
    let error = runs(&catalog).pack().await.unwrap_err();
    let SyncError::Catalog(error) = &error else { panic!("{error:?}") };
    assert_names_server(error, servers.others[1].port());
    servers.others[1].start().unwrap();
    assert_eq!(search(&index, clip(1, 1.0, 0)).await.unwrap(), result);
    assert_eq!(runs(&catalog).pack().await.unwrap().added, 1);
    assert_eq!(found(&compare(&catalog, 3..4).await).len(), 3);
}

/// Checks that the error names the unavailable server.
fn assert_names_server(error: &CatalogError, port: u16) {
    assert!(matches!(error, CatalogError::Unreachable { .. }) && error.is_retryable(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("check that it runs"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_that_loses_a_server_changes_nothing() {
    let mut servers = DistributedServers::new().await;
    let catalog = servers.catalog().await;
    for n in 0..8 {
        songs(&*catalog, n..n + 1).await;
        runs(&catalog).pack().await.unwrap();
    }
    let (before, rows) = (compare(&catalog, 0..8).await, servers.rows());
    // The merge gets as far as the last partition and waits there.
    let mut other = PgConnection::connect(&servers.others[1].url(DATABASE)).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE refrain.postings_7 IN SHARE MODE").execute(&mut other).await.unwrap();
    let index = runs(&catalog);
    let merging = tokio::spawn(async move { index.merge().await });
    until(async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut other).await.unwrap() > 0
    })
    .await;
    servers.others[1].kill().unwrap();
    let error = merging.await.unwrap().unwrap_err();
    assert!(matches!(error, SyncError::Catalog(CatalogError::Unreachable { .. })), "{error:?}");
    servers.others[1].start().unwrap();
    assert_eq!(compare(&catalog, 0..8).await, before);
    assert_eq!(servers.rows(), rows);
    assert!(runs(&catalog).merge().await.unwrap());
    assert_eq!(open(&catalog).await.runs_count(), 1);
    assert_eq!(compare(&catalog, 0..8).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_of_the_document_move_a_partition_back() {
    let servers = DistributedServers::new().await;
    let catalog = servers.catalog().await;
    songs(&*catalog, 0..4).await;
    runs(&catalog).pack().await.unwrap();
    let (before, rows) = (compare(&catalog, 0..5).await, servers.rows());
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spread.md");
    let text = std::fs::read_to_string(document).unwrap();
    let mut blocks = text.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let (mappings, back) = (blocks.next().unwrap(), blocks.next().unwrap());
    // The document moves partition 2, which is on the main server here.
    let back = back.replace("postings_2", "postings_3").replace("REMAINDER 2", "REMAINDER 3");
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.sql");
    std::fs::write(&script, format!("CREATE ROLE searcher; {mappings} {back}")).unwrap();
    servers.main.run_script(DATABASE, &script, &[]).unwrap();
    let count = |sql: &str| -> i64 { servers.main.run_sql(DATABASE, sql).unwrap().parse().unwrap() };
    assert_eq!(count("SELECT count(*) FROM pg_user_mappings WHERE usename = 'searcher'"), 6);
    let moved = count("SELECT count(*) FROM ONLY refrain.postings_3");
    servers.others[0].run_sql(DATABASE, "DROP TABLE refrain.postings_3").unwrap();
    assert!(moved > 0 && moved < rows[0] + rows[1], "{moved} of {rows:?}");
    assert_eq!(compare(&catalog, 0..5).await, before);
}

//! Behind PgBouncer in transaction mode: each transaction can run on another connection of the server.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use refrain_catalog::{Catalog, CatalogError};
use sqlx::ConnectOptions;
use sqlx::postgres::PgSslMode;

use super::Database;
use crate::contract::{
    TestStorage, changes, detections, leases, listing, new_track, outbox, packed, races, streams, tracks,
};
use crate::runs::{compare, found, runs, songs};

/// Ends PgBouncer when the standard input of the shell is closed, which happens however this process ends.
const WATCHER: &str = r#"PATH=$PATH:/usr/sbin; pgbouncer "$1" & read -r word; kill $!; wait $!"#;

/// A separate database with a pooler in front of it.
struct PooledDatabase {
    database: Database,
    port: u16,
    watcher: Child,
    _folder: tempfile::TempDir,
}

impl PooledDatabase {
    fn new() -> Self {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let database = Database::new();
        let server = database.options();
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = folder.path().join("pgbouncer.ini");
        let (host, user) = (server.get_host(), server.get_username());
        let config = format!(
            "[databases]\n* = host={host} port={} user={user}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n\
             unix_socket_dir =\n",
            server.get_port()
        );
        std::fs::write(&file, config).unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", WATCHER, "sh"]).arg(&file).stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        if std::fs::metadata(&file).unwrap().uid() == 0 {
            // PgBouncer refuses to run as root; any other user is accepted.
            std::os::unix::process::CommandExt::uid(&mut command, 65534);
        }
        let watcher = command.spawn().unwrap();
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "scripts/test installs pgbouncer");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { database, port, watcher, _folder: folder }
    }

    fn url(&self, parameters: &str) -> String {
        let options = self.database.options().host("127.0.0.1").port(self.port).ssl_mode(PgSslMode::Disable);
        let mut url = options.to_url_lossy();
        url.set_query((!parameters.is_empty()).then_some(parameters));
        url.into()
    }
}

impl Drop for PooledDatabase {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        self.watcher.wait().unwrap();
    }
}

#[async_trait]
impl TestStorage for PooledDatabase {
    async fn open(&self) -> Arc<dyn Catalog> {
        refrain_catalog::open(&TestStorage::url(self)).await.unwrap()
    }

    fn url(&self) -> String {
        self.url("statement-cache-capacity=0")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_behind_a_pooler() {
    races::one_source_added_concurrently_is_one_track(&PooledDatabase::new()).await;
    races::a_dropped_call_takes_effect_completely_or_not_at_all(&PooledDatabase::new()).await;
    races::readers_see_complete_tracks_during_writes(&PooledDatabase::new()).await;
    tracks::add_all_gives_the_results_of_single_additions(&PooledDatabase::new()).await;
    tracks::update_changes_only_the_given_fields(&PooledDatabase::new()).await;
    tracks::near_duplicates_are_linked_once(&PooledDatabase::new()).await;
    listing::filters_select_tracks(&PooledDatabase::new()).await;
    changes::waiting_ends_with_a_change(&PooledDatabase::new()).await;
    streams::concurrent_reports_of_the_same_starts_agree(&PooledDatabase::new()).await;
    leases::concurrent_claims_return_each_stream_once(&PooledDatabase::new()).await;
    detections::the_last_state_of_an_airing_wins_a_race(&PooledDatabase::new()).await;
    outbox::concurrent_claims_return_each_message_once(&PooledDatabase::new()).await;
}

#[tokio::test]
async fn a_large_batch_is_copied_behind_a_pooler() {
    let storage = PooledDatabase::new();
    let catalog = storage.open().await;
    let songs = (0..100).map(|n| refrain_catalog::NewTrack {
        constellation: packed(n, 30_000),
        ..new_track(&format!("song {n}"), n)
    });
    assert!(catalog.add_all(songs.collect()).await.unwrap().iter().all(Result::is_ok));
    races::consistent(&*catalog).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_in_the_database_works_behind_a_pooler() {
    let storage = PooledDatabase::new();
    let catalog = storage.open().await;
    for n in 0..9 {
        songs(&*catalog, n..n + 1).await;
        runs(&catalog).pack().await.unwrap();
    }
    while runs(&catalog).merge().await.unwrap() {}
    assert_eq!(found(&compare(&catalog, 0..2).await).len(), 6);
    runs(&catalog).reset().await.unwrap();
    assert_eq!(runs(&catalog).pack().await.unwrap().added, 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_prepared_statements_behind_a_pooler_name_the_remedy() {
    let storage = PooledDatabase::new();
    let mut tasks = Vec::new();
    for n in 0..4 {
        let url = storage.url("");
        tasks.push(tokio::spawn(async move {
            for step in 0..50 {
                let catalog = refrain_catalog::open(&url).await?;
                catalog.add(new_track(&format!("{n} {step}"), n)).await?;
            }
            Ok::<_, CatalogError>(())
        }));
    }
    let mut failed = Vec::new();
    for task in tasks {
        failed.extend(task.await.unwrap().err());
    }
    assert!(!failed.is_empty(), "the pooler shares prepared statements");
    for error in failed {
        assert!(error.to_string().contains("statement-cache-capacity=0"), "{error:?}");
    }
}

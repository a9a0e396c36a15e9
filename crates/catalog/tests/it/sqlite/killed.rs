//! An indexer that is killed while it writes.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use refrain_catalog::{AddOutcome, Catalog};
use sqlx::{ConnectOptions, Connection};

use super::File;
use crate::contract::races::consistent;
use crate::contract::{TestStorage, new_track, packed};

/// Environment variable with the URL of the catalog for the child process that is to be killed.
const CHILD: &str = "REFRAIN_TEST_KILLED_CHILD";
const SONGS: u64 = 2000;

/// Adds songs, and replaces every third one, until the process is killed.
async fn index(catalog: &dyn Catalog, from: u64) {
    for step in from..from + SONGS {
        let n = step % SONGS;
        let mut new = new_track(&format!("song {n}"), n);
        new.constellation = packed(n, 40_000);
        let outcome = catalog.add(new.clone()).await.unwrap();
        if n.is_multiple_of(3) && matches!(outcome, AddOutcome::Added(_)) {
            new.content.0[31] ^= 1;
            catalog.add(new).await.unwrap();
        }
    }
}

/// The code of the child process; not a separate test.
#[tokio::test]
async fn child_that_indexes() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let (url, from) = url.split_once('|').unwrap();
    let catalog = refrain_catalog::open(url).await.unwrap();
    index(&*catalog, from.parse().unwrap()).await;
}

#[tokio::test]
async fn killing_indexers_loses_and_duplicates_nothing() {
    let file = File::new();
    let mut seen = Vec::new();
    for round in 0..4_u64 {
        // Two processes run at the same time and are killed while they write, when no other process has the file open.
        let started = Instant::now();
        let children: Vec<_> = (0..2_u64)
            .map(|child| {
                Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "sqlite::killed::child_that_indexes"])
                    .env(CHILD, format!("{}|{}", file.url(), (round + child) * 451))
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let watcher = file.open().await;
        while watcher.position().await.unwrap() < seen.len() as u64 + 20 {
            assert!(started.elapsed() < Duration::from_secs(20), "the child processes add no tracks");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        watcher.close().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5 + round * 7)).await;
        for mut child in children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let catalog = file.open().await;
        consistent(&*catalog).await;
        let changes = catalog.changes_after(0, u32::MAX).await.unwrap();
        assert!(changes.starts_with(&seen), "earlier changes are kept");
        assert!(changes.len() >= seen.len() + 20);
        seen = changes;
    }
    let check = sqlx::sqlite::SqliteConnectOptions::new().filename(file.path());
    let mut connection = check.connect().await.unwrap();
    let verdict: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(verdict, "ok");
    let strays = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut connection).await.unwrap();
    assert!(strays.is_empty());
    connection.close().await.unwrap();
}

//! Catalogs that can be read but not written.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use refrain_catalog::{CatalogError, HealthLevel, TrackFilter};

use super::File;
use crate::contract::{TestStorage, added, new_track};

/// Environment variable with the folder for the child process. It runs as another user, because no file is read-only
/// for root.
const CHILD: &str = "REFRAIN_TEST_READONLY_CHILD";
/// The user and group "nobody".
const NOBODY: u32 = 65534;

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The code of the child process; not a separate test.
#[tokio::test]
async fn child_that_may_not_write() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let url = format!("sqlite:{folder}/catalogue.db");
    let catalog = refrain_catalog::open(&url).await.unwrap();
    assert_eq!(catalog.count().await.unwrap(), 1);
    let track = catalog.list(&TrackFilter::default(), None, 9).await.unwrap().remove(0);
    assert_eq!(catalog.constellations(&[track.number]).await.unwrap().len(), 1);
    let rejected = catalog.add(new_track("b", 2)).await;
    assert!(matches!(rejected, Err(CatalogError::ReadOnly { .. })), "{rejected:?}");
    let rejected = catalog.remove(track.id).await;
    assert!(matches!(rejected, Err(CatalogError::ReadOnly { .. })), "{rejected:?}");
    let health = catalog.health(true).await.unwrap();
    let may = health.iter().find(|fact| fact.name == "may write tracks").unwrap();
    assert_eq!((may.health, may.value.as_str()), (HealthLevel::Warning, "no"));
    catalog.settle().await.unwrap();
    catalog.close().await.unwrap();

    if std::fs::write(format!("{folder}/probe"), "").is_ok() {
        return;
    }
    for missing in ["other.db", "folder/other.db"] {
        match refrain_catalog::open(&format!("sqlite:{folder}/{missing}")).await {
            Ok(_) => panic!("created a catalog in a read-only folder"),
            Err(error) => assert!(matches!(error, CatalogError::CannotOpen { .. }), "{error:?}"),
        }
    }
}

async fn read_as_other_user(folder_mode: u32, file_mode: u32) {
    let folder = tempfile::tempdir().unwrap();
    let storage = folder.path().join("catalogue.db");
    let catalog = refrain_catalog::open(&format!("sqlite:{}", storage.display())).await.unwrap();
    added(&*catalog, new_track("a", 1)).await;
    catalog.close().await.unwrap();
    let before = std::fs::read(&storage).unwrap();
    // The child may not have access to the build folder, so it runs a copy of the program. This process does not make
    // the copy itself: a child that another test starts at the same time would inherit the open file, which is then too
    // busy to run.
    let program = folder.path().join("child");
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap();
    assert!(copied.success());
    allow(&program, 0o755);
    allow(&storage, file_mode);
    allow(folder.path(), folder_mode);

    let mut command = Command::new(&program);
    command.args(["--exact", "sqlite::readonly::child_that_may_not_write", "--nocapture"]);
    command.env(CHILD, folder.path()).current_dir("/");
    if std::fs::metadata(folder.path()).unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    allow(folder.path(), 0o755);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the child ran no test");
    assert!(std::fs::read(&storage).unwrap() == before);
}

#[tokio::test]
async fn a_catalog_in_a_read_only_folder_can_be_read() {
    read_as_other_user(0o555, 0o644).await;
}

#[tokio::test]
async fn a_read_only_file_in_a_read_only_folder_can_be_read() {
    read_as_other_user(0o555, 0o444).await;
}

#[tokio::test]
async fn a_read_only_file_can_be_read() {
    read_as_other_user(0o777, 0o444).await;
}

#[tokio::test]
async fn a_write_waits_until_the_lock_is_released() {
    let file = File::new();
    let catalog = file.open().await;
    let mut other = {
        use sqlx::ConnectOptions;
        sqlx::sqlite::SqliteConnectOptions::new().filename(file.path()).connect().await.unwrap()
    };
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let waiting = tokio::spawn(async move {
        added(&*catalog, new_track("a", 1)).await;
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    // Readers are not blocked, not even through a handle that is opened now.
    assert_eq!(file.open().await.count().await.unwrap(), 0);
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    waiting.await.unwrap();
}

//! Resources of the machine that a server uses: programs, a folder, a port and a user.

use std::io;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::error::{PostgresError, checked, failed};

/// Returns the folder of PostgreSQL's programs: the one that `pg_config` reports, or else the newest version in
/// Debian's folder.
pub(super) fn find_programs() -> Result<PathBuf, PostgresError> {
    let reported = Command::new("pg_config").arg("--bindir").output().ok();
    let reported = reported.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        versions.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let debian = versions.into_iter().map(|version| format!("/usr/lib/postgresql/{version}/bin").into());
    let has_server = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    reported.into_iter().chain(debian).find(has_server).ok_or_else(|| {
        PostgresError(
            "PostgreSQL is not installed; scripts/test installs it (apt-get install postgresql)".into(),
        )
    })
}

/// Creates a temporary folder that no other server uses.
pub(super) fn make_folder() -> Result<PathBuf, PostgresError> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    loop {
        let name =
            format!("refrain-postgres-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&folder.display().to_string(), &error)),
        }
    }
}

/// Returns a port of 127.0.0.1 on which no program listens.
pub(super) fn free_port() -> Result<u16, PostgresError> {
    // The listener is closed at the end of the statement. Another program could take the port before the server does,
    // which is unlikely.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.map(|address| address.port()).map_err(|error| failed("127.0.0.1", &error))
}

/// Returns the ids of the user and the group that the server has to run as, or `None` if these are those of this
/// process. `folder` is a folder that this process has created.
pub(super) fn server_user(folder: &Path) -> Result<Option<(u32, u32)>, PostgresError> {
    let me = std::fs::metadata(folder).map_err(|error| failed("temporary folder", &error))?.uid();
    // Only root has to change the user, and only root can.
    if me != 0 {
        return Ok(None);
    }
    let id = |which| -> Result<u32, PostgresError> {
        let output = checked(Command::new("id").args([which, "postgres"]))?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim()
            .parse()
            .map_err(|_| PostgresError(format!("id {which} postgres: unexpected output {text:?}")))
    };
    Ok(Some((id("-u")?, id("-g")?)))
}

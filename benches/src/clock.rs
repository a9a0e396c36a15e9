//! Processor time, memory and page cache, as far as the system supports it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Returns the processor time of the calling thread so far; on systems without it, wall-clock time.
#[must_use]
pub fn thread_time() -> Duration {
    #[cfg(unix)]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
    }
    #[cfg(not(unix))]
    {
        use std::sync::LazyLock;
        use std::time::Instant;
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// Returns the resident memory of this process in bytes: total, and the part that is not mapped from files. Returns
/// `None` on systems other than Linux.
#[must_use]
pub fn memory() -> Option<(u64, u64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    };
    Some((field("VmRSS:")?, field("RssAnon:")?))
}

/// Returns the files of a directory, and their total size in bytes.
#[must_use]
pub fn files(directory: &Path) -> (Vec<PathBuf>, u64) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    let bytes = paths.iter().filter_map(|path| path.metadata().ok()).map(|data| data.len()).sum();
    (paths, bytes)
}

/// Drops the pages of the files of a directory from the page cache. Linux only; pages of mapped files stay cached.
pub fn forget_pages(directory: &Path) {
    #[cfg(target_os = "linux")]
    for path in files(directory).0 {
        if let Ok(file) = fs::File::open(path) {
            // Only written pages can be dropped. If the system refuses, the pages stay cached and the measurement is warm.
            let _ = file.sync_all();
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = directory;
}

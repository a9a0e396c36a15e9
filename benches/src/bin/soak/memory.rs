//! Memory of this process and its child processes (Linux only).

use std::fs;

/// Returns the proportional set size (PSS) of this process and all its descendants in bytes; 0 on systems without
/// `/proc`.
pub(crate) fn pss() -> u64 {
    let mut processes = vec![std::process::id().to_string()];
    let mut sum = 0;
    while let Some(process) = processes.pop() {
        sum += pss_of(&process).unwrap_or_default();
        for entry in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
            // The list of child processes is kept per thread: each thread lists the children that it started.
            let children = fs::read_to_string(entry.path().join("children")).unwrap_or_default();
            processes.extend(children.split_whitespace().map(str::to_owned));
        }
    }
    sum
}

fn pss_of(process: &str) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

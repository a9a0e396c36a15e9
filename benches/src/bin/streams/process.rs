//! Processor time of this process by thread, and of its child processes. Linux only; all times are 0 on other systems.

use std::fs;

/// Name of the threads that fetch segments and playlists.
pub(crate) const NETWORK: &str = "network";
/// Clock ticks per second in `/proc/*/stat`, the same on all current Linux systems.
const TICKS: f64 = 100.0;

/// Processor time so far, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// Time of the threads that decode and search, and of the processes that decode.
    pub(crate) sound: f64,
    /// Time of the threads that fetch.
    pub(crate) network: f64,
    /// Time of all other threads of this process.
    pub(crate) other: f64,
}

impl Spent {
    /// Reads the clocks of all threads and child processes.
    pub(crate) fn now() -> Self {
        let mut this = Self::default();
        for entry in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            let Some((name, seconds)) = parse(&stat) else { continue };
            *match name {
                _ if name.starts_with("stream-") => &mut this.sound,
                _ if name.starts_with(NETWORK) => &mut this.network,
                _ => &mut this.other,
            } += seconds;
            // The list of child processes is kept per thread: each thread lists the children that it started.
            let children = fs::read_to_string(entry.path().join("children")).unwrap_or_default();
            let stats = children.split_whitespace();
            let stats = stats.filter_map(|id| fs::read_to_string(format!("/proc/{id}/stat")).ok());
            this.sound += stats.filter_map(|stat| Some(parse(&stat)?.1)).sum::<f64>();
        }
        this
    }

    /// Returns the time spent since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            sound: self.sound - before.sound,
            network: self.network - before.network,
            other: self.other - before.other,
        }
    }
}

/// Parses a line of `stat`. Returns the name, and the sum of user and system time in seconds.
fn parse(stat: &str) -> Option<(&str, f64)> {
    let (head, rest) = stat.rsplit_once(") ")?;
    let (_, name) = head.split_once('(')?;
    // utime and stime are fields 14 and 15; the state after the name is field 3.
    let mut fields = rest.split_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some((name, (user + system) / TICKS))
}

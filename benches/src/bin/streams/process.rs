//! Processor time of this process by thread, and of the processes that it started. Linux only; elsewhere all is 0.

use std::fs;

/// Ticks of a second in `/proc/*/stat`, on every Linux of today.
const TICKS: f64 = 100.0;

/// Seconds of processor time so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// Of threads that decode and search, and of the processes that decode.
    pub(crate) sound: f64,
    /// Of threads that fetch.
    pub(crate) network: f64,
    /// Of all others: this program's own.
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
                _ if name.starts_with(super::follow::NETWORK) => &mut this.network,
                _ => &mut this.other,
            } += seconds;
            // Each thread has the list of those that it started.
            let children = fs::read_to_string(entry.path().join("children")).unwrap_or_default();
            let stats = children.split_whitespace();
            let stats = stats.filter_map(|id| fs::read_to_string(format!("/proc/{id}/stat")).ok());
            this.sound += stats.filter_map(|stat| Some(parse(&stat)?.1)).sum::<f64>();
        }
        this
    }

    /// What was spent since.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            sound: self.sound - before.sound,
            network: self.network - before.network,
            other: self.other - before.other,
        }
    }
}

/// Name, and user and system time together, of a line of `stat`.
fn parse(stat: &str) -> Option<(&str, f64)> {
    let (head, rest) = stat.rsplit_once(") ")?;
    let (_, name) = head.split_once('(')?;
    // utime and stime are fields 14 and 15; the state behind the name is the third.
    let mut fields = rest.split_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some((name, (user + system) / TICKS))
}

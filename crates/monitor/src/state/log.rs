//! Log lines about changes of the state.

use super::StateReport;

/// Logs a report: a new reason as a warning, another change of the state as information.
pub(crate) fn log(stream: &str, report: &StateReport) {
    let (from, to, reason) = (report.from.name(), report.to.name(), report.reason.as_deref());
    match (report.is_warning, from == to) {
        (true, false) => tracing::warn!(stream, from, to, reason, "stream state changed"),
        (true, true) => tracing::warn!(stream, state = to, reason, "stream state has this reason now"),
        (false, false) => tracing::info!(stream, from, to, reason, "stream state changed"),
        (false, true) => tracing::debug!(stream, state = to, reason, "stream state has this reason now"),
    }
}

//! Logging of source failures.

use std::time::{Duration, Instant};

use super::status::{SourceCounters, SourceKind};

/// A failure that lasts is logged again after this time. It equals the default time after which a source gives up. At
/// half this value, a server that is down fills the log with twice as many lines; at twice this value, an extract of 5
/// minutes from the log may not contain the failure.
const REPEAT_AFTER: Duration = Duration::from_secs(5 * 60);

/// Logs the first failure of a source and each change of the reason. A failure that lasts is logged again after
/// `REPEAT_AFTER`.
#[derive(Debug, Default)]
pub(super) struct FailureLog {
    failures: u64,
    rendition_changes: u64,
    logged: Option<(String, Instant)>,
}

impl FailureLog {
    /// Compares the counters of a source with those of the last call, and logs a new failure as a warning. `kind` is
    /// `None` while the kind of the source is unknown.
    pub(super) fn observe(&mut self, stream: &str, kind: Option<SourceKind>, counters: &SourceCounters) {
        if let Some(error) = self.new_failure(kind, counters) {
            tracing::warn!(
                stream,
                error,
                retries = counters.retries,
                "cannot load from the source of the stream, retrying unless the stream ends with this error"
            );
        }
    }

    fn new_failure<'a>(&mut self, kind: Option<SourceKind>, counters: &'a SourceCounters) -> Option<&'a str> {
        // The retries of HLS and DASH include those of segments, and a missing segment is reported as a gap.
        let has_segments = matches!(kind, Some(SourceKind::Hls | SourceKind::Dash));
        let failures = if has_segments { counters.playlist_errors } else { counters.retries };
        // The counter and not the text shows a new failure: `last_error` stays set after a success.
        let is_new = std::mem::replace(&mut self.failures, failures) < failures;
        // The source has logged the change of the rendition with the failure that caused it.
        let rendition_changes = std::mem::replace(&mut self.rendition_changes, counters.rendition_changes);
        let is_logged = rendition_changes < counters.rendition_changes;
        let error = counters.last_error.as_deref().filter(|_| is_new && !is_logged)?;
        let known = self.logged.as_ref();
        if known.is_some_and(|(text, at)| text == error && at.elapsed() < REPEAT_AFTER) {
            return None;
        }
        self.logged = Some((error.to_owned(), Instant::now()));
        Some(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_failure_and_each_new_reason_are_logged_once() {
        let mut log = FailureLog::default();
        let mut observe = |playlist_errors, error: &str| {
            let last_error = Some(error.to_owned());
            let counters = SourceCounters { playlist_errors, last_error, ..SourceCounters::default() };
            log.new_failure(Some(SourceKind::Hls), &counters).map(str::to_owned)
        };
        assert_eq!(observe(0, "old"), None);
        assert_eq!(observe(1, "status 404").as_deref(), Some("status 404"));
        assert_eq!(observe(2, "status 404"), None);
        assert_eq!(observe(3, "status 500").as_deref(), Some("status 500"));
        assert_eq!(observe(3, "status 500"), None);
        assert_eq!(observe(4, "status 404").as_deref(), Some("status 404"));
    }

    #[test]
    fn failures_that_changed_the_rendition_are_not_logged_again() {
        let mut log = FailureLog::default();
        let mut observe = |playlist_errors, rendition_changes| {
            let last_error = Some(format!("failure {playlist_errors}"));
            let counters = SourceCounters {
                playlist_errors,
                rendition_changes,
                last_error,
                ..SourceCounters::default()
            };
            log.new_failure(Some(SourceKind::Hls), &counters).is_some()
        };
        assert!(observe(1, 0));
        assert!(!observe(3, 1));
        assert!(observe(4, 1));
    }
}

//! Writes the events of a stream to files and to standard output, in order and each once, with retries.

use std::time::Duration;

use anyhow::Result;
use refrain_app::response::ResponseFolder;
use refrain_catalog::{Detection, Track};
use refrain_monitor::{EventKind, HealthAlert, Reporter, StreamStatus, response};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::MonitorPlan;
use super::line::{self, PlayingSongs};
use crate::interrupt;
use crate::output::Output;

/// Pause before the first retry of a failed operation. Each further pause is twice as long. Most failures, for example
/// while a folder is renamed, end during the first pause.
const INITIAL_RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Maximum pause between two retries, which is the maximum delay of an event after the folder or the database is
/// available again. With 5 s, an unavailable database gets twice the connection attempts; with 20 s, events are up to
/// 20 s late.
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Maximum total time for retries after Ctrl-C or SIGTERM. By default Docker kills a process 10 s after SIGTERM. With 5
/// s, the process exits before that, and reports the number of lost events.
const INTERRUPT_RETRY_LIMIT: Duration = Duration::from_secs(5);

/// Maximum total time for retries after the end of the stream, for all events together. The command then exits with
/// status 2. Without a limit, it would never exit if its output folder was removed. With 10 s, a restart of the
/// database can lose the last events; with 40 s, the failure is reported later.
const STREAM_END_RETRY_LIMIT: Duration = Duration::from_secs(20);

/// Format of the events on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventFormat {
    /// JSON lines.
    Json,
    /// Lines of text.
    Text,
    /// No output. Events are only written to files.
    None,
}

/// Writes the events of one stream to files and to standard output, and counts the events that could not be written.
pub(super) struct EventWriter<'a> {
    reporter: Reporter,
    folder: Option<ResponseFolder>,
    kinds: Vec<EventKind>,
    event_format: EventFormat,
    id: String,
    output: &'a Output,
    status: watch::Receiver<StreamStatus>,
    /// Time from which the limit for retries is counted. It is set when a retry is needed after Ctrl-C, SIGTERM or the
    /// end of the stream, and `None` before.
    ending_since: Option<Instant>,
    /// The last failure that was printed, so that it is not printed again. `None` if the last operation succeeded.
    last_failure: Option<String>,
    lost: usize,
}

/// Result of an operation that is retried: its value, or that the time for retries has expired.
enum RetryOutcome<T> {
    Done(T),
    TimedOut,
}

impl<'a> EventWriter<'a> {
    pub(super) fn new(
        plan: &MonitorPlan<'_>,
        reporter: Reporter,
        status: watch::Receiver<StreamStatus>,
        output: &'a Output,
    ) -> Self {
        Self {
            reporter,
            folder: plan.folder.clone(),
            kinds: plan.kinds.clone(),
            event_format: plan.event_format,
            id: plan.id.clone(),
            output,
            status,
            ending_since: None,
            last_failure: None,
            lost: 0,
        }
    }

    /// Returns the number of events that were lost because the time for retries had expired.
    pub(super) fn lost(&self) -> usize {
        self.lost
    }

    /// Updates the songs in the status line with an event. If events of its kind are reported, also writes it to
    /// standard output, to the log and to a file. Failed queries of the catalog and failed writes of the file are
    /// retried until they succeed. After Ctrl-C, SIGTERM or the end of the stream, the time for retries is limited, and
    /// then the event is lost. A failed write to standard output is not retried and is returned as an error.
    pub(super) async fn emit(&mut self, detection: &Detection, playing: &PlayingSongs) -> Result<()> {
        let track = match self.track(detection).await {
            RetryOutcome::Done(Some(track)) => track,
            RetryOutcome::Done(None) => {
                tracing::warn!(
                    stream = self.id,
                    event = detection.kind.as_str(),
                    airing = %detection.id,
                    "the detected song was removed from the catalog, dropping the event"
                );
                return Ok(());
            }
            RetryOutcome::TimedOut => {
                self.lost += usize::from(self.kinds.contains(&detection.kind));
                return Ok(());
            }
        };
        // The status line shows all songs, so it needs the events that are not reported too.
        playing.update(detection, &track);
        if !self.kinds.contains(&detection.kind) {
            return Ok(());
        }
        let json = serde_json::to_string(&response(detection, &self.id, &track))?;
        // Standard output is written first, because a failed write to it is not retried and ends the command.
        match self.event_format {
            EventFormat::Json => self.output.line(&json)?,
            EventFormat::Text => self.output.line(&line::event(detection, &track, self.output.style()))?,
            EventFormat::None => {}
        }
        line::log_event(&self.id, detection, &track);
        self.write(json).await;
        Ok(())
    }

    /// Writes the start or the end of an alert to standard output, to the log and to a file, as [`Self::emit`] writes an
    /// event of a song.
    pub(super) async fn emit_alert(&mut self, alert: &HealthAlert) -> Result<()> {
        let json = alert.to_json(&self.id);
        match self.event_format {
            EventFormat::Json => self.output.line(&json)?,
            EventFormat::Text => self.output.line(&line::alert(alert, self.output.style()))?,
            EventFormat::None => {}
        }
        line::log_alert(&self.id, alert);
        self.write(json).await;
        Ok(())
    }

    async fn track(&mut self, detection: &Detection) -> RetryOutcome<Option<Track>> {
        let mut failures = 0;
        loop {
            // This is checked before each attempt, because an attempt itself can wait for the database.
            if self.is_retry_time_over() {
                return RetryOutcome::TimedOut;
            }
            match self.reporter.track(detection).await {
                Ok(track) => {
                    self.last_failure = None;
                    return RetryOutcome::Done(track);
                }
                Err(error) => {
                    if !self.wait_to_retry(&mut failures, error.to_string()).await {
                        return RetryOutcome::TimedOut;
                    }
                }
            }
        }
    }

    async fn write(&mut self, json: String) {
        let Some(folder) = self.folder.clone() else { return };
        let mut failures = 0;
        loop {
            let (folder, id, json) = (folder.clone(), self.id.clone(), json.clone());
            // A write to a network file system can block, and this task has to react to signals, so another thread
            // writes.
            let written = tokio::task::spawn_blocking(move || folder.write(&id, &json)).await;
            let error = match written {
                Ok(Ok(path)) => {
                    tracing::debug!(
                        stream = self.id,
                        path = %path.display(),
                        "event of the stream written to a response file"
                    );
                    self.last_failure = None;
                    return;
                }
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            if !self.wait_to_retry(&mut failures, error).await {
                self.lost += 1;
                return;
            }
        }
    }

    /// Prints a failure if it differs from the last one, and pauses before the next retry. `failures` is the number of
    /// failures so far, which determines the pause. Returns false if the time for retries has expired.
    async fn wait_to_retry(&mut self, failures: &mut u32, error: String) -> bool {
        // The same failure is printed once, and not for every retry.
        if self.last_failure.as_deref() != Some(&error) {
            self.output.note(&format!("refrain: {error}; retrying"));
            self.last_failure = Some(error);
        }
        let pause = INITIAL_RETRY_PAUSE.saturating_mul(1 << (*failures).min(16)).min(MAX_RETRY_PAUSE);
        *failures = failures.saturating_add(1);
        // From here on the total time is limited, so the pauses stay short.
        if self.is_ending() {
            if self.is_retry_time_over() {
                return false;
            }
            sleep(INITIAL_RETRY_PAUSE).await;
            return true;
        }
        let mut status = self.status.clone();
        tokio::select! {
            () = sleep(pause) => {}
            // Ctrl-C, SIGTERM or the end of the stream interrupts the pause, so that the limited time starts
            // immediately.
            () = interrupt::wait() => {}
            // An error means that the sender of the status was dropped, which happens at the end of the stream.
            _ = status.wait_for(|status| status.source_ended) => {}
        }
        true
    }

    /// Returns true after Ctrl-C or SIGTERM, or if the source of the stream has ended.
    fn is_ending(&self) -> bool {
        interrupt::is_requested() || self.status.borrow().source_ended
    }

    /// Returns true if the limited time for retries has expired. This time starts with the first failure after Ctrl-C,
    /// SIGTERM or the end of the stream.
    fn is_retry_time_over(&mut self) -> bool {
        if self.last_failure.is_none() || !self.is_ending() {
            return false;
        }
        let limit = if interrupt::is_requested() { INTERRUPT_RETRY_LIMIT } else { STREAM_END_RETRY_LIMIT };
        self.ending_since.get_or_insert_with(Instant::now).elapsed() > limit
    }
}

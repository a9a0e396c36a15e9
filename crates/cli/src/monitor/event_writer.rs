//! Writes events to files and to standard output, each once and in order.

use std::time::Duration;

use anyhow::Result;
use refrain_app::response::ResponseFolder;
use refrain_catalog::Track;
use refrain_monitor::{EventKind, Reporter, StreamEvent, StreamStatus, response};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::MonitorPlan;
use super::line::{self, PlayingSongs};
use crate::interrupt;
use crate::output::Output;

/// Pause before the first retry of a failed operation. It doubles with each further retry. Short failures, such as a
/// folder that is renamed, end within it; half of it would only double the first attempts.
const INITIAL_RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Maximum pause between two retries. It bounds the delay of an event after the folder or the database is back. At half
/// this value, a database that is down gets twice the connection attempts; at twice this value, events are up to 20 s
/// late.
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Maximum time for retries of event writes after an interrupt. Docker kills a process 10 s after SIGTERM by default,
/// so the process exits by itself before that, with a status and a message about lost events. At twice this value, the
/// kill can come first.
const INTERRUPT_RETRY_LIMIT: Duration = Duration::from_secs(5);

/// Maximum time for retries of event writes after the end of the stream, for all events together. After that the
/// command exits with status 2. Without a limit, a removed output folder kept the program running indefinitely. At half
/// this value, a restart of the database can lose the last events; at twice this value, the caller learns of the
/// failure later.
const STREAM_END_RETRY_LIMIT: Duration = Duration::from_secs(20);

/// Format of the events on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventFormat {
    /// JSON lines.
    Json,
    /// Lines of text.
    Text,
    /// No output. Events are written to files only.
    None,
}

/// Writes events to files and to standard output.
pub(super) struct EventWriter<'a> {
    reporter: Reporter,
    folder: Option<ResponseFolder>,
    kinds: Vec<EventKind>,
    event_format: EventFormat,
    id: String,
    output: &'a Output,
    status: watch::Receiver<StreamStatus>,
    /// Start of the limited time for retries, which begins when no further input is expected.
    ending_since: Option<Instant>,
    /// The last failure that was printed, until a retry succeeds.
    last_failure: Option<String>,
    lost: usize,
}

/// Result of an operation that is retried.
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

    /// Returns the number of events that could not be written.
    pub(super) fn lost(&self) -> usize {
        self.lost
    }

    /// Writes an event. A failed write is retried until it succeeds. After an interrupt and after the end of the stream the
    /// time for retries is limited.
    pub(super) async fn emit(&mut self, event: &StreamEvent, playing: &PlayingSongs) -> Result<()> {
        let track = match self.track(event).await {
            RetryOutcome::Done(Some(track)) => track,
            RetryOutcome::Done(None) => {
                tracing::warn!(stream = self.id, "detected song was removed from the catalog, event dropped");
                return Ok(());
            }
            RetryOutcome::TimedOut => {
                self.lost += usize::from(self.kinds.contains(&event.kind));
                return Ok(());
            }
        };
        // Also for events that are not reported, because the status line shows all songs.
        playing.update(event, &track);
        if !self.kinds.contains(&event.kind) {
            return Ok(());
        }
        let json = serde_json::to_string(&response(event, &self.id, &track))?;
        // Standard output comes first: a write to it cannot be retried, and its error ends the command.
        match self.event_format {
            EventFormat::Json => self.output.line(&json)?,
            EventFormat::Text => self.output.line(&line::event(event, &track, self.output.style()))?,
            EventFormat::None => {}
        }
        line::log_event(event, &track);
        self.write(json).await;
        Ok(())
    }

    async fn track(&mut self, event: &StreamEvent) -> RetryOutcome<Option<Track>> {
        let mut failures = 0;
        loop {
            // Before each attempt, because an attempt itself can wait for the database.
            if self.is_retry_time_over() {
                return RetryOutcome::TimedOut;
            }
            match self.reporter.track(event).await {
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
            // A write to a network file system can block, and this task also reacts to signals.
            let written = tokio::task::spawn_blocking(move || folder.write(&id, &json)).await;
            let error = match written {
                Ok(Ok(path)) => {
                    tracing::debug!(stream = self.id, path = %path.display(), "response written");
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

    /// Prints a failure if it differs from the last one, and waits before the next retry. Returns false if the time for
    /// retries has expired.
    async fn wait_to_retry(&mut self, failures: &mut u32, error: String) -> bool {
        // Each failure is printed once and not with every retry.
        if self.last_failure.as_deref() != Some(&error) {
            self.output.note(&format!("refrain: {error}; retrying"));
            self.last_failure = Some(error);
        }
        let pause = INITIAL_RETRY_PAUSE.saturating_mul(1 << (*failures).min(16)).min(MAX_RETRY_PAUSE);
        *failures = failures.saturating_add(1);
        // The time for retries is limited now, so the pauses do not grow.
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
            // A shutdown, or the end of the stream, ends the pause, so that the limited time begins at once.
            () = interrupt::wait() => {}
            // An error means that the sender of the status was dropped, which also is the end of the stream.
            _ = status.wait_for(|status| status.source_ended) => {}
        }
        true
    }

    /// Returns true if no further input is expected.
    fn is_ending(&self) -> bool {
        interrupt::is_requested() || self.status.borrow().source_ended
    }

    /// Returns true if the time for retries after the end has expired. It starts with the first failure after the end.
    fn is_retry_time_over(&mut self) -> bool {
        if self.last_failure.is_none() || !self.is_ending() {
            return false;
        }
        let limit = if interrupt::is_requested() { INTERRUPT_RETRY_LIMIT } else { STREAM_END_RETRY_LIMIT };
        self.ending_since.get_or_insert_with(Instant::now).elapsed() > limit
    }
}

//! Writes events to files and to standard output, each once and in order.

use std::time::Duration;

use anyhow::Result;
use refrain_app::response::ResponseFolder;
use refrain_catalog::Track;
use refrain_monitor::{EventKind, Reporter, StreamEvent, StreamStatus, response};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Plan;
use super::line::{self, Shown};
use crate::interrupt;
use crate::output::Output;

/// Pause before the first retry of a failed operation. It doubles with each further retry.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Maximum pause between two retries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Maximum time for retries of event writes after an interrupt.
const INTERRUPT_LIMIT: Duration = Duration::from_secs(5);

/// Maximum time for retries of event writes after the end of the stream, for all events together. After that the command
/// exits with status 2.
const STREAM_END_LIMIT: Duration = Duration::from_secs(20);

/// Format of the events on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// JSON lines.
    Json,
    /// Lines of text.
    Text,
    /// No output. Events are written to files only.
    None,
}

/// Writes events to files and to standard output.
pub(super) struct Teller<'a> {
    reporter: Reporter,
    folder: Option<ResponseFolder>,
    kinds: Vec<EventKind>,
    lines: Lines,
    id: String,
    output: &'a Output,
    status: watch::Receiver<StreamStatus>,
    /// Start of the limited time for retries, which begins when no further input is expected.
    ending: Option<Instant>,
    /// The last failure that was printed, until a retry succeeds.
    printed: Option<String>,
    lost: usize,
}

/// Result of an operation that is retried.
enum Tried<T> {
    Done(T),
    GivenUp,
}

impl<'a> Teller<'a> {
    pub(super) fn new(
        plan: &Plan<'_>,
        reporter: Reporter,
        status: watch::Receiver<StreamStatus>,
        output: &'a Output,
    ) -> Self {
        Self {
            reporter,
            folder: plan.folder.clone(),
            kinds: plan.kinds.clone(),
            lines: plan.lines,
            id: plan.id.clone(),
            output,
            status,
            ending: None,
            printed: None,
            lost: 0,
        }
    }

    /// Returns the number of events that could not be written.
    pub(super) fn lost(&self) -> usize {
        self.lost
    }

    /// Writes an event. A failed write is retried until it succeeds. After an interrupt and after the end of the stream the
    /// time for retries is limited.
    pub(super) async fn tell(&mut self, event: &StreamEvent, shown: &Shown) -> Result<()> {
        let track = match self.track(event).await {
            Tried::Done(Some(track)) => track,
            Tried::Done(None) => {
                tracing::warn!(stream = self.id, "detected song was removed from the catalog, event dropped");
                return Ok(());
            }
            Tried::GivenUp => {
                self.lost += usize::from(self.kinds.contains(&event.kind));
                return Ok(());
            }
        };
        shown.learn(event, &track);
        if !self.kinds.contains(&event.kind) {
            return Ok(());
        }
        let json = serde_json::to_string(&response(event, &self.id, &track))?;
        match self.lines {
            Lines::Json => self.output.line(&json)?,
            Lines::Text => self.output.line(&line::event(event, &track, self.output.style()))?,
            Lines::None => {}
        }
        line::log_event(event, &track);
        self.write(json).await;
        Ok(())
    }

    async fn track(&mut self, event: &StreamEvent) -> Tried<Option<Track>> {
        let mut failures = 0;
        loop {
            if self.is_over() {
                return Tried::GivenUp;
            }
            match self.reporter.track(event).await {
                Ok(track) => {
                    self.printed = None;
                    return Tried::Done(track);
                }
                Err(error) => {
                    if !self.wait_to_retry(&mut failures, error.to_string()).await {
                        return Tried::GivenUp;
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
            let written = tokio::task::spawn_blocking(move || folder.write(&id, &json)).await;
            let error = match written {
                Ok(Ok(path)) => {
                    tracing::debug!(stream = self.id, path = %path.display(), "response written");
                    self.printed = None;
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
        if self.printed.as_deref() != Some(&error) {
            self.output.note(&format!("refrain: {error}; retrying"));
            self.printed = Some(error);
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << (*failures).min(16)).min(LONGEST_PAUSE);
        *failures = failures.saturating_add(1);
        if self.is_ending() {
            if self.is_over() {
                return false;
            }
            sleep(FIRST_PAUSE).await;
            return true;
        }
        let mut status = self.status.clone();
        tokio::select! {
            () = sleep(pause) => {}
            () = interrupt::wait() => {}
            // An error means that the sender of the status was dropped, which also is the end of the stream.
            _ = status.wait_for(|status| status.source_ended) => {}
        }
        true
    }

    /// Returns true if no further input is expected.
    fn is_ending(&self) -> bool {
        interrupt::asked() || self.status.borrow().source_ended
    }

    /// Returns true if the time for retries after the end has expired. It starts with the first failure after the end.
    fn is_over(&mut self) -> bool {
        if self.printed.is_none() || !self.is_ending() {
            return false;
        }
        let limit = if interrupt::asked() { INTERRUPT_LIMIT } else { STREAM_END_LIMIT };
        self.ending.get_or_insert_with(Instant::now).elapsed() > limit
    }
}

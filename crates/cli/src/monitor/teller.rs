//! Where events go: files and lines, each once, in their order.

use std::time::Duration;

use anyhow::Result;
use refrain_catalog::Track;
use refrain_service::monitor::{EventKind, Reporter, StreamEvent, StreamStatus, response};
use refrain_service::response::ResponseFolder;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Plan;
use super::line::{self, Shown};
use crate::interrupt;
use crate::output::Output;

/// First and longest pause before something that failed is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Longest time in which events that could not be written are retried after an interrupt.
const INTERRUPT_LIMIT: Duration = Duration::from_secs(5);

/// Longest time in which events that could not be written are retried after the end of the stream, for all of them
/// together. Then the command exits with status 2.
const STREAM_END_LIMIT: Duration = Duration::from_secs(20);

/// What is printed for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// Lines of JSON, for programs.
    Json,
    /// Lines to read.
    Text,
    /// Nothing: the files are enough.
    None,
}

/// Tells events.
pub(super) struct Teller<'a> {
    reporter: Reporter,
    folder: Option<ResponseFolder>,
    kinds: Vec<EventKind>,
    lines: Lines,
    id: String,
    output: &'a Output,
    status: watch::Receiver<StreamStatus>,
    /// Since when events are retried although no further input is expected.
    ending: Option<Instant>,
    /// The last failure that was printed, until a retry succeeds.
    printed: Option<String>,
    lost: usize,
}

/// What became of something that was tried.
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

    /// Events that could not be told before the end.
    pub(super) fn lost(&self) -> usize {
        self.lost
    }

    /// Writes an event. A failed write is repeated until it succeeds; after an interrupt and after the end of the stream the
    /// time for that is limited.
    pub(super) async fn tell(&mut self, event: &StreamEvent, shown: &Shown) -> Result<()> {
        let track = match self.track(event).await {
            Tried::Done(Some(track)) => track,
            Tried::Done(None) => {
                tracing::warn!(stream = self.id, "a song was removed from the catalogue while it was found");
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

    /// Prints a failure if it is new, and waits; returns false when the time for retries is over.
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
            // An error means that the stream is gone, which is an end too.
            _ = status.wait_for(|status| status.source_ended) => {}
        }
        true
    }

    /// Returns true if no further input is expected.
    fn is_ending(&self) -> bool {
        interrupt::asked() || self.status.borrow().source_ended
    }

    /// Returns true when the time for retries after the end is over. It begins with the first failure after the end.
    fn is_over(&mut self) -> bool {
        if self.printed.is_none() || !self.is_ending() {
            return false;
        }
        let limit = if interrupt::asked() { INTERRUPT_LIMIT } else { STREAM_END_LIMIT };
        self.ending.get_or_insert_with(Instant::now).elapsed() > limit
    }
}

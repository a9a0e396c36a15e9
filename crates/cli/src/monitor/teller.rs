//! Where events go: files and lines, each once, in their order.

use std::time::Duration;

use anyhow::Result;
use refrain_catalog::Track;
use refrain_service::monitor::{EventKind, Reporter, StreamEvent, response};
use refrain_service::response::ResponseFolder;
use tokio::time::sleep;

use super::Plan;
use super::line::{self, Shown};
use crate::interrupt;
use crate::output::Output;

/// First and longest pause before something that failed is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long is tried on after somebody wants the command to end.
const PATIENCE: Duration = Duration::from_secs(5);

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
    lost: usize,
}

/// What became of something that was tried.
enum Tried<T> {
    Done(T),
    GivenUp,
}

impl<'a> Teller<'a> {
    pub(super) fn new(plan: &Plan<'_>, reporter: Reporter, output: &'a Output) -> Self {
        Self {
            reporter,
            folder: plan.folder.clone(),
            kinds: plan.kinds.clone(),
            lines: plan.lines,
            id: plan.id.clone(),
            output,
            lost: 0,
        }
    }

    /// Events that could not be told before the end.
    pub(super) fn lost(&self) -> usize {
        self.lost
    }

    /// Tells an event. What cannot be written is tried again until it can, or the command is to end.
    pub(super) async fn tell(&mut self, event: &StreamEvent, shown: &Shown) -> Result<()> {
        let track = match self.track(event).await {
            Tried::Done(Some(track)) => track,
            Tried::Done(None) => {
                tracing::warn!(stream = self.id, "a song was removed from the catalogue while it was found");
                return Ok(());
            }
            Tried::GivenUp => {
                self.lost += 1;
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
        let mut tries = Tries::default();
        loop {
            match self.reporter.track(event).await {
                Ok(track) => return Tried::Done(track),
                Err(error) => {
                    if !tries.again(&error, self.output).await {
                        return Tried::GivenUp;
                    }
                }
            }
        }
    }

    async fn write(&mut self, json: String) {
        let Some(folder) = &self.folder else { return };
        let mut tries = Tries::default();
        loop {
            let (folder, id, json) = (folder.clone(), self.id.clone(), json.clone());
            let written = tokio::task::spawn_blocking(move || folder.write(&id, &json)).await;
            let error = match written {
                Ok(Ok(path)) => {
                    tracing::debug!(stream = self.id, path = %path.display(), "response written");
                    return;
                }
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            if !tries.again(&error, self.output).await {
                self.lost += 1;
                return;
            }
        }
    }
}

/// Tries of one thing.
#[derive(Default)]
struct Tries {
    failures: u32,
    /// Since when the command is to end.
    ending: Option<tokio::time::Instant>,
}

impl Tries {
    /// Says the first time what is wrong, and waits; false when it is time to give up.
    async fn again(&mut self, error: &(dyn std::fmt::Display + Send + Sync), output: &Output) -> bool {
        if self.failures == 0 {
            output.note(&format!("refrain: {error}; it is tried again until it works"));
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        if interrupt::asked() {
            let since = *self.ending.get_or_insert_with(tokio::time::Instant::now);
            if since.elapsed() > PATIENCE {
                return false;
            }
            sleep(FIRST_PAUSE).await;
            return true;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = interrupt::wait() => {}
        }
        true
    }
}

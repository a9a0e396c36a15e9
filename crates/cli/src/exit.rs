//! Outcomes of commands and their exit statuses.

use std::process::ExitCode;

/// Outcome of a command. An error that a command returns instead has exit status 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandOutcome {
    /// Everything was done. For `identify` and `plot`: at least one input matched. Exit status 0.
    Done,
    /// For `identify` and `plot`: every input was read and no input matched. Exit status 1.
    NoMatch,
    /// For `healthcheck`: the service is not healthy or does not answer. Exit status 1.
    Unhealthy,
    /// Everything failed. The reasons are already on standard error. Exit status 2.
    Failed,
    /// Part of the work failed. The reasons are already on standard error. Exit status 3.
    Partial,
}

impl CommandOutcome {
    /// Returns the outcome of a command of which `done` pieces of work succeeded and `failed` pieces failed.
    pub(crate) fn of(done: usize, failed: usize) -> Self {
        match (done, failed) {
            (_, 0) => Self::Done,
            (0, _) => Self::Failed,
            _ => Self::Partial,
        }
    }

    /// Returns the outcome of a search in inputs, of which `read` could be read and `failed` could not. `matched` of the
    /// inputs that were read had a match.
    pub(crate) fn of_inputs(matched: usize, read: usize, failed: usize) -> Self {
        match (matched, read, failed) {
            // Failures come first: a script that tests for status 1 must not take unread inputs for unknown songs.
            (0, 1.., 0) => Self::NoMatch,
            _ => Self::of(read, failed),
        }
    }
}

impl From<CommandOutcome> for ExitCode {
    fn from(outcome: CommandOutcome) -> Self {
        Self::from(match outcome {
            CommandOutcome::Done => 0,
            CommandOutcome::NoMatch | CommandOutcome::Unhealthy => 1,
            CommandOutcome::Failed => 2,
            CommandOutcome::Partial => 3,
        })
    }
}

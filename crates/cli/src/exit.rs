//! Outcomes of commands and their exit statuses.

use std::process::ExitCode;

/// Outcome of a command that did not return an error. A command that returns an error has exit status 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandOutcome {
    /// Everything succeeded. For `identify` and `plot`, at least one input matched. Exit status 0.
    Done,
    /// For `identify` and `plot`: every input was read and no input matched. Exit status 1.
    NoMatch,
    /// For `healthcheck`: the service is not healthy or does not answer. Exit status 1.
    Unhealthy,
    /// Everything failed. The reasons were already printed on standard error. Exit status 2.
    Failed,
    /// A part of the work failed. The reasons were already printed on standard error. Exit status 3.
    Partial,
}

impl CommandOutcome {
    /// Returns the outcome of a command with `done` successful and `failed` failed items, such as files.
    pub(crate) fn of(done: usize, failed: usize) -> Self {
        match (done, failed) {
            (_, 0) => Self::Done,
            (0, _) => Self::Failed,
            _ => Self::Partial,
        }
    }

    /// Returns the outcome of a search in several inputs. `read` is the number of inputs that could be read, `matched`
    /// the number of those that had a match, and `failed` the number that could not be read.
    pub(crate) fn of_inputs(matched: usize, read: usize, failed: usize) -> Self {
        match (matched, read, failed) {
            // A failure takes precedence over status 1: a script must not mistake an input that could not be read for
            // an unknown song.
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

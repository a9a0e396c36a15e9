//! How a command ends.

use std::process::ExitCode;

/// What a command achieved; an error is exit status 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was done; for `identify` and `plot`: at least one match.
    Done,
    /// `identify`, `plot`: every input was read and none matched.
    NoMatch,
    /// `healthcheck`: the service is not well, or does not answer.
    Unwell,
    /// Nothing could be done; the reasons are on standard error already.
    Failed,
    /// Part of the work failed; the reasons are on standard error already.
    Partial,
}

impl Outcome {
    /// The outcome of work that was done `done` times and failed `failed` times.
    pub(crate) fn of(done: usize, failed: usize) -> Self {
        match (done, failed) {
            (_, 0) => Self::Done,
            (0, _) => Self::Failed,
            _ => Self::Partial,
        }
    }

    /// The outcome of looking for songs in inputs: of those that could be read, so many held one.
    pub(crate) fn of_inputs(matched: usize, read: usize, failed: usize) -> Self {
        match (matched, read, failed) {
            (0, 1.., 0) => Self::NoMatch,
            _ => Self::of(read, failed),
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::NoMatch | Outcome::Unwell => 1,
            Outcome::Failed => 2,
            Outcome::Partial => 3,
        })
    }
}

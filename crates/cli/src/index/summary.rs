//! The counts that `refrain index` prints at the end.

use crate::exit::CommandOutcome;
use crate::output::{Output, OutputError, format_duration};

/// Counts of the results of one execution of `refrain index`.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Summary {
    pub(crate) added: usize,
    pub(crate) replaced: usize,
    pub(crate) unchanged: usize,
    pub(crate) failed: usize,
    /// Number of files that the catalog already has with the same content, but whose metadata or rule changed. They are
    /// also counted in `unchanged`.
    pub(crate) metadata_changed: usize,
    /// Number of added or replaced files of which parts could not be read.
    pub(crate) damaged: usize,
    pub(crate) duplicates: usize,
    pub(crate) bad_rows: usize,
    /// Number of files that were not processed because of Ctrl-C or an error of the catalog.
    pub(crate) not_processed: usize,
    /// True if an error ended the run.
    pub(crate) stopped: bool,
    /// Seconds of audio that were decoded.
    pub(crate) seconds: f64,
    /// Decoding speed in seconds of audio per second of elapsed time.
    pub(crate) speed: f64,
}

impl Summary {
    /// Prints the summary as one line on standard output.
    pub(crate) fn print(&self, output: &Output) -> Result<(), OutputError> {
        let mut parts = vec![
            format!("{} added", self.added),
            format!("{} unchanged", self.unchanged),
            format!("{} replaced", self.replaced),
            format!("{} failed", self.failed),
        ];
        for (count, what) in [
            (self.metadata_changed, "with new metadata"),
            (self.damaged, "damaged in part"),
            (self.duplicates, "near-duplicates"),
            (self.bad_rows, "invalid metadata rows"),
            (self.not_processed, "not done: repeat the command"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        if self.seconds > 0.0 {
            parts.push(format!(
                "{} of audio at {:.0} x real time",
                format_duration(self.seconds),
                self.speed
            ));
        }
        output.line(&parts.join(", "))
    }

    /// Returns the number of processed files whose tracks are in the catalog: added, replaced and unchanged.
    pub(crate) fn done(&self) -> usize {
        self.added + self.replaced + self.unchanged
    }

    /// Returns the outcome of the command, which is partial if anything failed or was not processed.
    pub(crate) fn outcome(&self) -> CommandOutcome {
        CommandOutcome::of(
            self.done(),
            self.failed + self.bad_rows + self.not_processed + usize::from(self.stopped),
        )
    }
}

//! What a run of `index` did.

use crate::exit::Outcome;
use crate::output::{Output, OutputError, hours};

/// Counts of one run.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Summary {
    pub(crate) added: usize,
    pub(crate) replaced: usize,
    pub(crate) unchanged: usize,
    pub(crate) failed: usize,
    /// Unchanged files whose metadata or rule changed.
    pub(crate) relabelled: usize,
    /// Added or replaced files of which parts could not be read.
    pub(crate) damaged: usize,
    pub(crate) duplicates: usize,
    pub(crate) bad_rows: usize,
    /// Files that Ctrl-C or a catalogue that cannot be written left over.
    pub(crate) left: usize,
    /// Whether an error ended the run.
    pub(crate) stopped: bool,
    /// Seconds of audio decoded, and seconds of audio per second.
    pub(crate) seconds: f64,
    pub(crate) speed: f64,
}

impl Summary {
    /// One line on standard output.
    pub(crate) fn print(&self, output: &Output) -> Result<(), OutputError> {
        let mut parts = vec![
            format!("{} added", self.added),
            format!("{} unchanged", self.unchanged),
            format!("{} replaced", self.replaced),
            format!("{} failed", self.failed),
        ];
        for (count, what) in [
            (self.relabelled, "with new metadata"),
            (self.damaged, "damaged in part"),
            (self.duplicates, "near-duplicates"),
            (self.bad_rows, "bad metadata rows"),
            (self.left, "not done: run the same again"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        if self.seconds > 0.0 {
            parts.push(format!("{} of audio at {:.0} x real time", hours(self.seconds), self.speed));
        }
        output.line(&parts.join(", "))
    }

    /// Files that the catalogue has now.
    pub(crate) fn done(&self) -> usize {
        self.added + self.replaced + self.unchanged
    }

    /// How the command ends.
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome::of(self.done(), self.failed + self.bad_rows + self.left + usize::from(self.stopped))
    }
}

//! The query as a search uses it: the peaks, and the windows that are searched one by one.

use crate::fingerprint::{Peak, Relief};

use super::significance::Chance;

/// Data of a query that all traces of the query share.
pub(crate) struct Query<'a> {
    pub(crate) peaks: &'a [Peak],
    /// Start and end of the available part of the query, in ticks. For a stream, this is the history of its last 60 s.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Probabilities of chance hits, measured over the whole query, or over the last 10 s of a stream.
    pub(crate) chance: &'a Chance,
}

/// A stretch of the query that is searched at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    /// All peaks of the query.
    pub(crate) peaks: &'a [Peak],
    /// Start and end, in ticks.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Masking depth of each bin and frame of the query; empty if unknown, as for streams.
    pub(crate) relief: &'a Relief,
}

impl<'a> Window<'a> {
    /// Returns the index of the first peak within the window.
    pub(crate) fn first_peak(&self) -> usize {
        self.peaks.partition_point(|p| f64::from(p.time) < self.from)
    }

    /// Returns the peaks within the window.
    pub(crate) fn own_peaks(&self) -> &'a [Peak] {
        let to = self.peaks.partition_point(|p| f64::from(p.time) < self.to);
        &self.peaks[self.first_peak()..to]
    }
}

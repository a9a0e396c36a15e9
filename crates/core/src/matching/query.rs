//! The query during a search: its peaks, and windows of it.

use crate::fingerprint::{Peak, Relief};

use super::significance::Chance;

/// Query data that all of its traces share.
pub(crate) struct Query<'a> {
    pub(crate) peaks: &'a [Peak],
    /// Start and end of the part of the query that is available, in ticks.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Chance measured over the whole query.
    pub(crate) chance: &'a Chance,
}

/// A stretch of the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    /// All peaks of the query.
    pub(crate) peaks: &'a [Peak],
    /// Start and end, in ticks.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Masking depth of places without peaks; empty if unknown.
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

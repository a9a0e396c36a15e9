//! Numbers of ranks that the tables of significance distinguish.

/// Number of ranks of a reference's peaks.
pub(super) const REFERENCE_RANKS: usize = 4;
/// Number of ranks of a query's peaks.
pub(super) const QUERY_RANKS: usize = 20;

//! Numbers of ranks that the tables of significance distinguish.

/// Number of ranks that peaks of a track can have.
pub(super) const REFERENCE_RANKS: usize = 4;
/// Number of ranks that peaks of a query can have.
pub(super) const QUERY_RANKS: usize = 20;

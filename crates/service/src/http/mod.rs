//! HTTP.

/// Where streams come from that were added by hand, in the journal.
pub const ORIGIN: &str = "api";

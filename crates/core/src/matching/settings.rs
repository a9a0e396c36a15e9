//! What a user may set about matching.

/// Settings of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchSettings {
    /// Accepted probability that a reported match is chance, per query: the default lets about one query
    /// in ten thousand give a false match.
    pub false_positive_rate: f64,
}

impl Default for MatchSettings {
    fn default() -> Self {
        Self { false_positive_rate: 1e-4 }
    }
}

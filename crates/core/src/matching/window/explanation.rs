//! Explanations of a part of a window.

use super::super::verify::Alignment;

/// An alignment that explains a part of a window, with the copies of its track that explain the same part.
#[derive(Debug, Clone)]
pub(crate) struct Explanation {
    /// Alignment with the most evidence.
    pub(crate) lead: Alignment,
    /// Log-probability of chance after discounting competing alignments.
    pub(crate) log_p: f64,
    /// Alignments of the same place in other tracks that carry the recording; empty if none were found.
    pub(crate) copies: Vec<Alignment>,
}

impl Explanation {
    /// Returns all alignments, the one with the most evidence first.
    pub(crate) fn alignments(&self) -> impl Iterator<Item = &Alignment> {
        std::iter::once(&self.lead).chain(&self.copies)
    }
}

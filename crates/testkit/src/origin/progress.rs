//! Number of published segments and parts of a live stream.

/// Number of completely published segments, and number of published parts of the next segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PublishProgress {
    pub(super) segments: u64,
    pub(super) parts: usize,
}

/// Parses `INDEX.PART` to the index of a segment and the index of a part; `None` if the text is invalid.
pub(super) fn part_name(text: &str) -> Option<(u64, usize)> {
    let (index, part) = text.split_once('.')?;
    Some((index.parse().ok()?, part.parse().ok()?))
}

//! Published part of a live stream.

/// Number of published segments, and of published parts of the segment after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PublishProgress {
    pub(super) segments: u64,
    pub(super) parts: usize,
}

/// Parses `INDEX.PART` to the numbers of a segment and a part.
pub(super) fn part_name(text: &str) -> Option<(u64, usize)> {
    let (index, part) = text.split_once('.')?;
    Some((index.parse().ok()?, part.parse().ok()?))
}

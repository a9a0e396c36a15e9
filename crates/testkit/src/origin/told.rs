//! How far a live stream has been told.

/// How much is told: segments, and parts of the one after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Told {
    pub(super) segments: u64,
    pub(super) parts: usize,
}

/// Segment and part of `INDEX.PART`.
pub(super) fn part_name(text: &str) -> Option<(u64, usize)> {
    let (index, part) = text.split_once('.')?;
    Some((index.parse().ok()?, part.parse().ok()?))
}

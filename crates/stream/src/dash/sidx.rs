//! Segment index of a resource (`sidx`, ISO/IEC 14496-12, 8.16.3), which `SegmentBase` refers to.

use super::mpd::MpdError;

/// Largest segment index that is fetched, bytes: 12 bytes for each of 80,000 segments. At half this value, an index of a
/// day of 1-s segments fails; at twice this value, a hostile range needs twice the memory.
pub(crate) const MAX_INDEX_BYTES: u64 = 1024 * 1024;

/// A segment index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentIndex {
    pub(super) timescale: u64,
    /// The segments, in order.
    pub(super) segments: Vec<IndexedSegment>,
}

/// A segment of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexedSegment {
    /// Start in ticks.
    pub(super) start: u64,
    pub(super) ticks: u64,
    /// Offset of the first byte in the resource.
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl SegmentIndex {
    /// Parses the bytes of the index. `position` is the offset of the bytes in their resource.
    ///
    /// # Errors
    /// [`MpdError::Index`] if the bytes are no index, or refer to further indexes.
    pub(crate) fn parse(bytes: &[u8], position: u64) -> Result<Self, MpdError> {
        let malformed = MpdError::Index("it is malformed");
        let mut fields = Fields { bytes, at: 0 };
        let (size, name) = (fields.u32(), fields.u32());
        if name != Some(u32::from_be_bytes(*b"sidx")) {
            return Err(MpdError::Index("the index range does not begin with the box sidx"));
        }
        let size = size.map(u64::from).filter(|size| *size >= 8).ok_or(malformed.clone())?;
        let parsed = fields.index(position.saturating_add(size)).ok_or(malformed)?;
        parsed.ok_or(MpdError::Index("it refers to further indexes, which is not supported"))
    }
}

struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    /// Reads the fields after the header of the box. `anchor` is the offset of the first byte after the box. Returns
    /// `None` if the box is truncated, and `Some(None)` if it refers to another index.
    fn index(&mut self, anchor: u64) -> Option<Option<SegmentIndex>> {
        let is_long = self.u32()? >> 24 != 0;
        self.u32()?;
        let timescale = u64::from(self.u32()?);
        let (mut start, first_offset) = match is_long {
            true => (self.u64()?, self.u64()?),
            false => (self.u32()?.into(), self.u32()?.into()),
        };
        let mut offset = anchor.checked_add(first_offset)?;
        let count = self.u32()? & 0xFFFF;
        let mut segments = Vec::new();
        for _ in 0..count {
            let (reference, ticks, _) = (self.u32()?, self.u32()?, self.u32()?);
            if reference >> 31 == 1 {
                return Some(None);
            }
            let (length, ticks) = (u64::from(reference), u64::from(ticks));
            segments.push(IndexedSegment { start, ticks, offset, length });
            (start, offset) = (start.checked_add(ticks)?, offset.checked_add(length)?);
        }
        segments.retain(|segment| segment.ticks > 0 && segment.length > 0);
        (timescale > 0).then_some(Some(SegmentIndex { timescale, segments }))
    }

    fn u32(&mut self) -> Option<u32> {
        let bytes = self.bytes.get(self.at..)?.first_chunk()?;
        self.at += 4;
        Some(u32::from_be_bytes(*bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from(self.u32()?) << 32 | u64::from(self.u32()?))
    }
}

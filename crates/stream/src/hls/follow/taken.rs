//! Segments of earlier loads, with which the segments of a playlist are compared.

use super::identity::SegmentName;
use crate::hls::playlist::{MediaPlaylist, MediaSegment};

/// A stored segment.
#[derive(Debug, Clone)]
pub(super) struct TakenSegment {
    pub(super) sequence: u64,
    pub(super) name: SegmentName,
    pub(super) date: Option<f64>,
    pub(super) seconds: f64,
    pub(super) discontinuity_sequence: u64,
}

impl TakenSegment {
    pub(super) fn of(segment: &MediaSegment) -> Self {
        Self {
            sequence: segment.sequence,
            name: SegmentName::of(segment),
            date: segment.program_date_time,
            seconds: segment.seconds,
            discontinuity_sequence: segment.discontinuity_sequence,
        }
    }

    /// Returns true if `segment` is this stored segment. Both must have the same sequence number. If the playlist comes
    /// from another URL (`moved`), their dates must be equal (see [`Self::same_date`]), or one of the dates must be
    /// missing. Otherwise an equal date or an equal file name is sufficient.
    pub(super) fn is_at_its_number(&self, segment: &MediaSegment, moved: bool) -> bool {
        match self.same_date(segment) {
            Some(same) if moved => same,
            Some(true) => true,
            _ => moved || self.name.has_file_of(segment),
        }
    }

    /// Returns true if `list` has this segment at another number than its own, at which it has `segment`: the media
    /// sequence numbers are not consistent, and the file names of all segments are equal.
    pub(super) fn is_renumbered(&self, segment: &MediaSegment, list: &MediaPlaylist) -> bool {
        self.same_date(segment) != Some(true)
            && !self.name.equals(segment)
            && list.segments.iter().any(|other| self.equals(other))
    }

    /// Returns true if `segment` has the same URI and no different date.
    pub(super) fn equals(&self, segment: &MediaSegment) -> bool {
        self.same_date(segment) != Some(false) && self.name.equals(segment)
    }

    /// Returns true if the dates of this stored segment and of `segment` agree within half the duration of the stored
    /// segment (at least 0.1 s), the error of extrapolated dates; `None` if one of the dates is missing.
    pub(super) fn same_date(&self, segment: &MediaSegment) -> Option<bool> {
        let (ours, theirs) = (self.date?, segment.program_date_time?);
        Some((ours - theirs).abs() < self.seconds.max(0.2) / 2.0)
    }
}

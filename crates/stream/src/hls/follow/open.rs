//! State of the open segment, which the server is still producing: its parts that are planned.

use super::identity::name_of;
use crate::hls::playlist::{MediaSegment, Part};

/// Maximum number of parts of a segment that are fetched separately. A segment with more parts is fetched whole when it
/// is complete. Segments of 6 s with parts of 0.2 s have 30. At half this value, nothing changes for real servers; at
/// twice this value, a hostile playlist causes a thousand requests per segment.
const MAX_PARTS: usize = 512;

/// The segment that the server is still producing.
#[derive(Debug)]
pub(super) struct OpenSegment {
    /// Media sequence number of the segment, in the numbering of [`SegmentTimeline`](super::timeline::SegmentTimeline).
    pub(super) sequence: u64,
    /// Total duration of the planned parts, seconds.
    pub(super) seconds: f64,
    /// Hashes of the names of the planned parts.
    names: Vec<u64>,
    /// Duration of the longest planned part, seconds.
    max_part_seconds: f64,
    /// True if the listed parts differ from the planned ones, or if no more parts may be used. No further parts are
    /// then planned.
    inconsistent: bool,
}

impl OpenSegment {
    pub(super) fn new(sequence: u64) -> Self {
        Self { sequence, seconds: 0.0, names: Vec::new(), max_part_seconds: 0.0, inconsistent: false }
    }

    /// Plans and returns the parts of `segment` that were not planned yet, each as a separate segment. Only the first
    /// part of the segment has the segment's date and its discontinuity flag, because both describe the start of the
    /// segment.
    pub(super) fn take(&mut self, segment: &MediaSegment) -> Vec<MediaSegment> {
        let planned = self.names.len();
        let known = self.names.iter().zip(&segment.parts).all(|(name, part)| *name == name_of_part(part));
        // Once the names differ, further parts may not continue the delivered ones. The whole segment is fetched
        // instead.
        self.inconsistent |= !known || segment.parts.len() > MAX_PARTS;
        let mut taken = Vec::new();
        for (index, part) in segment.parts.iter().enumerate().skip(planned) {
            if self.inconsistent {
                break;
            }
            self.names.push(name_of_part(part));
            self.seconds += part.seconds;
            self.max_part_seconds = self.max_part_seconds.max(part.seconds);
            taken.push(piece(segment, part, index == 0));
        }
        taken
    }

    /// Returns true if no part was planned yet.
    pub(super) fn is_at_start(&self) -> bool {
        self.names.is_empty()
    }

    /// Prevents further parts of the segment from being planned.
    pub(super) fn stop_planning(&mut self) {
        self.inconsistent = true;
    }

    /// Returns true if the planned parts are the whole of `segment`, which is now complete.
    pub(super) fn is_all_of(&self, segment: &MediaSegment) -> bool {
        // Half a part: servers round the durations of parts and of the segment independently.
        let fits = (self.seconds - segment.seconds).abs() <= self.max_part_seconds / 2.0;
        !self.inconsistent && self.names.len() == segment.parts.len() && fits
    }
}

fn piece(segment: &MediaSegment, part: &Part, first: bool) -> MediaSegment {
    MediaSegment {
        url: part.url.clone(),
        range: part.range,
        seconds: part.seconds,
        discontinuity: segment.discontinuity && first,
        program_date_time: segment.program_date_time.filter(|_| first),
        gap: part.gap,
        parts: Vec::new(),
        ..segment.clone()
    }
}

fn name_of_part(part: &Part) -> u64 {
    name_of(&part.url, part.range)
}

//! The open segment: the one that the server is still producing, with the parts of it that are planned.

use super::timeline::name_of;
use crate::hls::playlist::{MediaSegment, Part};

/// Maximum number of parts of a segment that are fetched as parts. A segment with more parts is fetched whole when it
/// is complete. Segments of 6 s with parts of 0.2 s have 30. At half this value, nothing changes for real servers; at
/// twice this value, a hostile playlist causes a thousand requests per segment.
const MAX_PARTS: usize = 512;

/// The segment that the server is still producing.
#[derive(Debug)]
pub(super) struct OpenSegment {
    /// Media sequence number in the numbering of the timeline.
    pub(super) sequence: u64,
    /// Total duration of the planned parts, seconds.
    pub(super) seconds: f64,
    /// Hashes of the names of the planned parts.
    names: Vec<u64>,
    /// Duration of the longest planned part, seconds.
    max_part_seconds: f64,
    /// True if the listed parts differ from the planned ones, or if no more parts may be used; no further parts are
    /// planned.
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
        // Once the names differ, the delivered parts and the rest may not fit together, so the whole segment decides.
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

    /// Prevents that further parts of the segment are planned.
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

//! The segment that is being made, as far as its parts were planned.

use super::timeline::name_of;
use crate::hls::playlist::{MediaSegment, Part};

/// Most parts of a segment that are followed; a segment of more comes whole when it is complete.
const MOST_PARTS: usize = 512;

/// The segment that is being made.
#[derive(Debug)]
pub(super) struct Opened {
    /// Its media sequence number, ours.
    pub(super) sequence: u64,
    /// Seconds of the parts that were planned.
    pub(super) seconds: f64,
    /// What the parts that were planned are called.
    names: Vec<u64>,
    /// The longest of them, seconds.
    longest: f64,
    /// Whether it turned out not to be what it was: no more of its parts are taken.
    odd: bool,
}

impl Opened {
    pub(super) fn new(sequence: u64) -> Self {
        Self { sequence, seconds: 0.0, names: Vec::new(), longest: 0.0, odd: false }
    }

    /// The parts of `segment` that were not planned yet, each as a segment of its own. What holds for the segment's start,
    /// its date and whether it breaks with what came before, is on the first one.
    pub(super) fn take(&mut self, segment: &MediaSegment) -> Vec<MediaSegment> {
        let planned = self.names.len();
        let known = self.names.iter().zip(&segment.parts).all(|(name, part)| *name == name_of_part(part));
        self.odd |= !known || segment.parts.len() > MOST_PARTS;
        let mut taken = Vec::new();
        for (index, part) in segment.parts.iter().enumerate().skip(planned) {
            if self.odd {
                break;
            }
            self.names.push(name_of_part(part));
            self.seconds += part.seconds;
            self.longest = self.longest.max(part.seconds);
            taken.push(piece(segment, part, index == 0));
        }
        taken
    }

    /// Whether no part was planned yet.
    pub(super) fn is_at_start(&self) -> bool {
        self.names.is_empty()
    }

    /// No more of its parts are to be taken.
    pub(super) fn spoil(&mut self) {
        self.odd = true;
    }

    /// Whether the planned parts are all of `segment`, which is complete now.
    pub(super) fn is_all_of(&self, segment: &MediaSegment) -> bool {
        let fits = (self.seconds - segment.seconds).abs() <= self.longest / 2.0;
        !self.odd && self.names.len() == segment.parts.len() && fits
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

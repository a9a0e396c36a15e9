//! Detection of the new segments of a playlist.
//!
//! Media sequence numbers identify the segments, but some servers serve older copies, do not increment the number, omit
//! it or restart it. So names and dates of the last segments are stored too; they identify the segments if the numbers
//! are not consistent (see [`identity`](super::identity)).

mod other_rendition;
mod place;

use std::collections::VecDeque;

use super::identity::StableParts;
use super::taken::TakenSegment;
use crate::delivery::{Gap, GapReason};
use crate::hls::playlist::{MediaPlaylist, MediaSegment};

/// Number of stored segments: more than a live playlist lists, so that an older copy is recognized. At half this value,
/// copies of playlists of more than 128 segments are not recognized; at twice this value, a stream needs 40 kB more.
const MAX_STORED_SEGMENTS: usize = 256;

/// Maximum number of segments that can be missed (a day of 2-s segments). A larger step is a new numbering. At half
/// this value, an outage of a day restarts the stream; at twice this value, a change to numbers based on the time can
/// become a gap of two days.
const MAX_MISSED_SEGMENTS: u64 = 43_200;

/// If consecutive playlists look like older copies and their end advances, the stream has restarted once the number of
/// these advances exceeds the number of segments in the playlist plus this value. At half this value, a server that
/// skips numbers looks restarted; at twice this value, a real restart is noticed three segments later.
const OLDER_SLACK: usize = 3;

/// A new segment of a playlist, or a gap before one.
#[derive(Debug, Clone)]
pub(super) enum Step {
    HlsSegment(MediaSegment),
    Gap(Gap),
}

/// Result of comparing a playlist with the timeline.
#[derive(Debug, Default)]
pub(super) struct Advance {
    /// New segments and gaps, in order.
    pub(super) steps: Vec<Step>,
    /// Offset to add to the media sequence numbers of the playlist to get those of the [`SegmentTimeline`].
    pub(super) shift: i128,
    /// True if the playlist restarted: its segments do not continue the stored ones.
    pub(super) reset: bool,
    /// True if the playlist is an older copy of the last one.
    pub(super) stale: bool,
}

/// The last segments of the processed playlists, with media sequence numbers that are consistent across all loads.
#[derive(Debug, Default)]
pub(super) struct SegmentTimeline {
    taken: VecDeque<TakenSegment>,
    /// The parts of the URIs that identify segments.
    stable: StableParts,
    /// Date of the end of the last stored segment, seconds since 1970; `None` if it is unknown.
    next_date: Option<f64>,
    /// State of consecutive older copies: the media sequence number after the last segment of the newest copy, and the
    /// number of times that this number increased from one copy to the next. `None` after a playlist with new
    /// segments.
    older: Option<(u64, usize)>,
    /// True if the next playlist is that of another rendition, whose numbering can differ.
    pub(super) is_other_rendition: bool,
}

/// Position of the first new segment in a playlist.
enum PlaylistPosition {
    /// The new segments begin at this index of [`MediaPlaylist::segments`]. The second value is the offset to add to
    /// the media sequence numbers of the playlist, so that they continue the numbers of the stored segments.
    From(usize, i128),
    /// All segments of the playlist are new, and this number of segments before them was missed.
    Missed(u64),
    /// No position: the playlist contains no new segment.
    Old,
    /// The playlist restarted: its segments do not continue the stored ones.
    Reset,
}

impl SegmentTimeline {
    /// Stores and returns the new segments of `list`. Of the first playlist, only the last `back` segments are new.
    /// `moved` is true if the playlist comes from another URL than the last one, so that names need not match.
    pub(super) fn advance(&mut self, list: &MediaPlaylist, back: usize, moved: bool) -> Advance {
        let mut advance = Advance::default();
        let mut from = 0;
        match self.place(list, back, moved) {
            PlaylistPosition::From(index, shift) => {
                (from, advance.shift) = (index, shift);
                if shift == 0 {
                    self.learn(list);
                }
                if self.taken.is_empty() {
                    // Store the skipped segments too, because an older copy of the playlist may end with one of them.
                    list.segments.iter().take(from).for_each(|segment| drop(self.take(segment.clone())));
                }
            }
            PlaylistPosition::Missed(count) => advance.steps.extend(self.missed(list, count).map(Step::Gap)),
            PlaylistPosition::Old if !list.segments.is_empty() && self.is_another(list) => {
                *self = Self::default();
                advance.reset = true;
            }
            PlaylistPosition::Old => {
                advance.stale = list.segments.last().is_some_and(|newest| !self.is_last(newest, moved));
                return advance;
            }
            PlaylistPosition::Reset => {
                advance.reset = true;
                // The older segments of another rendition probably repeat audio of the last one.
                from = if self.is_other_rendition { list.segments.len().saturating_sub(back) } else { 0 };
            }
        }
        self.older = None;
        let after_gap = !advance.steps.is_empty();
        // The time stamps of another rendition can continue those of the last one (RFC 8216 section 6.2.4).
        let mut begins = advance.reset && !self.is_other_rendition;
        for (nth, segment) in list.segments.iter().skip(from).enumerate() {
            if advance.reset && self.has(segment, moved) {
                continue;
            }
            let mut segment = segment.clone();
            segment.sequence = shifted(segment.sequence, advance.shift);
            let last = self.taken.back().map_or(0, |last| last.discontinuity_sequence);
            let is_after_gap = nth == 0 && after_gap && segment.discontinuity_sequence > last;
            segment.discontinuity |= begins || is_after_gap;
            begins = false;
            advance.steps.push(self.take(segment));
        }
        advance
    }

    /// Returns the open segment of `list` if it directly follows the last stored segment, otherwise `None`.
    pub(super) fn open(&self, list: &MediaPlaylist) -> Option<MediaSegment> {
        let last = self.taken.back()?;
        let follows = list.segments.last().is_some_and(|newest| self.is(last, newest, false));
        let open = list.open.as_ref().filter(|_| follows)?;
        let date = open.program_date_time.or(self.next_date.filter(|_| !open.discontinuity));
        let sequence = last.sequence.saturating_add(1);
        Some(MediaSegment { sequence, program_date_time: date, ..(**open).clone() })
    }

    /// Returns true if no segment is stored yet.
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.taken.len()
    }

    fn place(&self, list: &MediaPlaylist, back: usize, moved: bool) -> PlaylistPosition {
        let Some(first) = list.segments.first() else { return PlaylistPosition::Old };
        let Some(last) = self.taken.back() else {
            return PlaylistPosition::From(list.segments.len().saturating_sub(back), 0);
        };
        let ahead = last.sequence.checked_sub(first.sequence).and_then(|index| usize::try_from(index).ok());
        let same_number = ahead.and_then(|index| Some((index, list.segments.get(index)?)));
        if let Some((index, segment)) = same_number
            && last.is_at_its_number(segment, moved)
            && !last.is_renumbered(segment, list)
        {
            return PlaylistPosition::From(index + 1, 0);
        }
        if first.sequence > last.sequence {
            return self.place_ahead(last, list, moved);
        }
        // An equal URI is preferred, because all segments can have the same file name.
        let equal = list.segments.iter().rposition(|segment| last.equals(segment));
        if let Some(index) = equal.or_else(|| self.only_match(last, list, moved)) {
            return PlaylistPosition::From(index + 1, shift_to(last.sequence, list, index));
        }
        let newest_known = list.segments.last().is_some_and(|newest| self.knows(newest, moved));
        if newest_known {
            return PlaylistPosition::Old;
        }
        if moved {
            let by_date = || self.place_by_date(list);
            self.place_other_rendition(list, 0).or_else(by_date).unwrap_or(PlaylistPosition::Reset)
        } else {
            PlaylistPosition::Reset
        }
    }

    /// Returns the gap of the `count` segments that were missed before `list`.
    fn missed(&self, list: &MediaPlaylist, count: u64) -> Option<Gap> {
        let first = list.segments.first()?;
        let total: f64 = list.segments.iter().map(|segment| segment.seconds).sum();
        let counted = count as f64 * total / list.segments.len() as f64;
        let dated = first.program_date_time.zip(self.next_date).map(|(date, next)| date - next);
        // A date difference far from the counted duration is a jump of the dates, so the counted duration is used.
        // The numbering of another rendition is independent, so only its dates count.
        let plausible =
            dated.filter(|dated| self.is_other_rendition || (counted / 4.0..=counted * 4.0).contains(dated));
        let seconds = plausible.unwrap_or(counted);
        (seconds > 0.0).then_some(Gap {
            seconds,
            reason: GapReason::Missed,
            program_date_time: self.next_date,
        })
    }

    fn take(&mut self, mut segment: MediaSegment) -> Step {
        if segment.program_date_time.is_none() && !segment.discontinuity {
            segment.program_date_time = self.next_date;
        }
        self.next_date = segment.program_date_time.map(|date| date + segment.seconds);
        if self.taken.len() >= MAX_STORED_SEGMENTS {
            self.taken.pop_front();
        }
        self.taken.push_back(TakenSegment::of(&segment));
        Step::HlsSegment(segment)
    }

    /// Learns which parts of the URIs identify segments, from the last stored segment and the segment of `list` with its
    /// number.
    fn learn(&mut self, list: &MediaPlaylist) {
        let Some(last) = self.taken.back() else { return };
        let index =
            last.sequence.checked_sub(list.media_sequence).and_then(|index| usize::try_from(index).ok());
        if let Some(segment) = index.and_then(|index| list.segments.get(index)) {
            self.stable.learn(&last.name, segment);
        }
    }

    /// Returns true if `segment` has the name of the stored segment `taken` and no different date, whatever its number
    /// is. If the playlist comes from another URL (`moved`), only the file name is compared.
    fn is(&self, taken: &TakenSegment, segment: &MediaSegment, moved: bool) -> bool {
        match taken.same_date(segment) {
            Some(false) => false,
            // The dates of different segments differ, so the rest of the URI is not needed.
            same if same == Some(true) || moved => taken.name.has_file_of(segment),
            _ => self.stable.matches(&taken.name, segment),
        }
    }

    /// Returns true if `segment` is stored with its number.
    fn has(&self, segment: &MediaSegment, moved: bool) -> bool {
        let mut same_number = self.taken.iter().filter(|taken| taken.sequence == segment.sequence);
        same_number.any(|taken| self.is(taken, segment, moved))
    }

    /// Returns true if `segment` is stored, or has the number of a segment that was missed.
    fn knows(&self, segment: &MediaSegment, moved: bool) -> bool {
        let sequence_of = |taken: Option<&TakenSegment>| taken.map_or(0, |taken| taken.sequence);
        let (oldest, newest) = (sequence_of(self.taken.front()), sequence_of(self.taken.back()));
        if self.taken.iter().any(|taken| taken.sequence == segment.sequence) {
            return self.has(segment, moved);
        }
        (oldest..newest).contains(&segment.sequence)
    }

    /// Returns true if the consecutive playlists that look like older copies belong to another stream: their end has
    /// advanced in more of them than `list` has segments plus [`OLDER_SLACK`]. A server that only lags behind lists a
    /// new segment before this number is reached.
    fn is_another(&mut self, list: &MediaPlaylist) -> bool {
        let end = list.next_sequence();
        let (before, moves) = self.older.unwrap_or((end, 0));
        let moves = moves + usize::from(end > before);
        self.older = Some((end, moves));
        moves > list.segments.len() + OLDER_SLACK
    }

    fn is_last(&self, segment: &MediaSegment, moved: bool) -> bool {
        self.taken.back().is_some_and(|last| self.is(last, segment, moved))
    }
}

fn shift_to(sequence: u64, list: &MediaPlaylist, index: usize) -> i128 {
    list.segments.get(index).map_or(0, |segment| i128::from(sequence) - i128::from(segment.sequence))
}

pub(super) fn shifted(sequence: u64, shift: i128) -> u64 {
    u64::try_from(i128::from(sequence) + shift).unwrap_or(sequence)
}

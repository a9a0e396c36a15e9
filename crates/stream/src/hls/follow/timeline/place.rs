//! Position of the new segments in a playlist by names and dates.

use super::{MAX_MISSED_SEGMENTS, PlaylistPosition, SegmentTimeline, TakenSegment, shift_to};
use crate::hls::playlist::{MediaPlaylist, MediaSegment};

impl SegmentTimeline {
    /// Returns the index of the segment of `list` that is `last`, the last stored segment. Returns `None` if several
    /// segments have its name, because the name then does not identify a segment.
    pub(super) fn only_match(&self, last: &TakenSegment, list: &MediaPlaylist, moved: bool) -> Option<usize> {
        let mut matches =
            list.segments.iter().enumerate().filter(|(_, segment)| self.is(last, segment, moved));
        let (index, _) = matches.next()?;
        matches.next().is_none().then_some(index)
    }

    /// Returns the position of the first new segment of `list`, whose media sequence numbers begin after that of
    /// `last`, the last stored segment. `moved` is true if `list` comes from another URL than the last playlist.
    pub(super) fn place_ahead(
        &self,
        last: &TakenSegment,
        list: &MediaPlaylist,
        moved: bool,
    ) -> PlaylistPosition {
        let dated = |segment: &MediaSegment| {
            last.same_date(segment) == Some(true) && (moved || self.is(last, segment, moved))
        };
        if let Some(index) = list.segments.iter().rposition(dated) {
            return PlaylistPosition::From(index + 1, shift_to(last.sequence, list, index));
        }
        let missed = list.media_sequence.saturating_sub(last.sequence).saturating_sub(1);
        if let Some(position) = self.place_other_rendition(list, missed) {
            return position;
        }
        match missed {
            0 => PlaylistPosition::From(0, 0),
            missed if missed > MAX_MISSED_SEGMENTS => PlaylistPosition::Reset,
            missed => PlaylistPosition::Missed(missed),
        }
    }

    /// Returns the position of the first new segment of `list` by its date, because `list` has the numbering of another
    /// rendition or server. Returns `None` if the dates are missing.
    pub(super) fn place_by_date(&self, list: &MediaPlaylist) -> Option<PlaylistPosition> {
        let next = self.next_date?;
        let newer = |segment: &MediaSegment| {
            segment.program_date_time.map(|date| date > next - segment.seconds / 2.0)
        };
        let index = list.segments.iter().position(|segment| newer(segment) == Some(true));
        match index {
            Some(index) => Some(PlaylistPosition::From(index, 0)),
            None => newer(list.segments.last()?).map(|_| PlaylistPosition::Old),
        }
    }
}

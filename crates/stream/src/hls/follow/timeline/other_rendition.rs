//! Position of another rendition on the timeline.

use super::{PlaylistPosition, SegmentTimeline};
use crate::hls::playlist::MediaPlaylist;

impl SegmentTimeline {
    /// Returns the position of the first new segment of another rendition, whose numbering is independent. `missed` is
    /// the number of segments that are missing according to its numbers. Returns `None` if the playlist is not that of
    /// another rendition, or if dates are missing and `missed` is plausible.
    pub(super) fn place_other_rendition(
        &self,
        list: &MediaPlaylist,
        missed: u64,
    ) -> Option<PlaylistPosition> {
        let first = list.segments.first().filter(|_| self.is_other_rendition)?;
        match first.program_date_time.zip(self.next_date) {
            Some((date, next)) if date > next + first.seconds / 2.0 => {
                Some(PlaylistPosition::Missed(missed.max(1)))
            }
            Some(_) => self.place_by_date(list),
            // More segments than the playlist lists cannot pass while a rendition is replaced.
            None => (missed > list.segments.len() as u64).then_some(PlaylistPosition::Reset),
        }
    }
}

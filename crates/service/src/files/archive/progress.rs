//! The position of a session in its segments.

use serde::{Deserialize, Serialize};

/// An existing segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentObject {
    /// Number of the segment in the stream.
    pub(super) counter: u64,
    /// Key of its object.
    pub(super) key: String,
    /// Time when the segment was written, in milliseconds since 1970.
    pub(super) at: i64,
}

/// Maximum number of stored ranges of skipped segments. A range is added when the wait for a missing segment ends, and
/// needs some 16 bytes in the row. A segment that arrives after its range was removed begins a new session. At half
/// this value, that takes 50 later gaps; at twice this value, the row of a stream with many gaps has 3 kB.
const MAX_SKIPPED_RANGES: usize = 100;

/// The processed part of a session. It is stored as JSON in the row of the stream, so that other processes can continue
/// there. Processes of two versions can share a stream during an update, so fields are only added, with a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ArchiveProgress {
    /// Counter of the first processed segment.
    pub(super) first: u64,
    /// Counter of the last processed segment.
    pub(super) last: u64,
    /// Time when the first segment was written, in milliseconds since 1970.
    pub(super) since: i64,
    /// Time when the most recently written segment was written, in milliseconds since 1970.
    pub(super) newest: i64,
    /// Duration of the session so far in seconds, gaps included.
    pub(super) seconds: f64,
    /// First and last counter of each range of segments that were skipped as missing, oldest first. Empty in rows of
    /// older versions of the program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) skipped: Vec<(u64, u64)>,
}

impl ArchiveProgress {
    /// Reads the position from the text of a row; `None` if no segment was processed.
    pub(super) fn read(text: Option<&str>) -> Result<Option<Self>, serde_json::Error> {
        text.map_or(Ok(None), serde_json::from_str)
    }

    /// Returns the text for the row.
    pub(super) fn text(&self) -> String {
        // This cannot fail, because the fields are numbers.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the progress after the segment `processed`. `before` is the progress before it; `None` if it is the
    /// first one. `seconds` is the duration of the session including this segment. The segments between the last one
    /// and this one count as skipped.
    pub(super) fn after(before: Option<Self>, processed: &SegmentObject, seconds: f64) -> Self {
        let mut progress = before.unwrap_or(Self {
            first: processed.counter,
            last: processed.counter,
            since: processed.at,
            newest: processed.at,
            seconds: 0.0,
            skipped: Vec::new(),
        });
        if processed.counter > progress.last + 1 {
            progress.skipped.push((progress.last + 1, processed.counter - 1));
            let excess = progress.skipped.len().saturating_sub(MAX_SKIPPED_RANGES);
            progress.skipped.drain(..excess);
        }
        let newest = progress.newest.max(processed.at);
        Self { last: processed.counter, newest, seconds, ..progress }
    }

    /// Returns true if the segment with this counter was skipped as missing.
    pub(super) fn was_skipped(&self, counter: u64) -> bool {
        self.skipped.iter().any(|(first, last)| (*first..=*last).contains(&counter))
    }

    /// Returns the mean duration of a segment in seconds, skipped segments included.
    pub(super) fn mean(&self) -> f64 {
        self.seconds / (self.last - self.first.min(self.last) + 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(counter: u64) -> SegmentObject {
        SegmentObject { counter, key: String::new(), at: 0 }
    }

    #[test]
    fn skipped_segments_are_stored_with_the_progress() {
        let old = r#"{"first":3,"last":4,"since":0,"newest":0,"seconds":4.0,"unknown":1}"#;
        let old = ArchiveProgress::read(Some(old)).unwrap().unwrap();
        assert_eq!(old.skipped, [], "the row of an older program");
        let processed = ArchiveProgress::after(Some(old), &segment(7), 10.0);
        assert_eq!(ArchiveProgress::read(Some(&processed.text())).unwrap().as_ref(), Some(&processed));
        assert_eq!([4, 5, 6, 7].map(|counter| processed.was_skipped(counter)), [false, true, true, false]);
    }

    #[test]
    fn missing_position_differs_from_an_invalid_one() {
        assert_eq!(ArchiveProgress::read(None).unwrap(), None);
        assert!(ArchiveProgress::read(Some("{}")).is_err());
    }

    #[test]
    fn number_of_skipped_ranges_is_limited() {
        let mut so_far = None;
        for counter in (0..1_000).step_by(2) {
            so_far = Some(ArchiveProgress::after(so_far, &segment(counter), 1.0));
        }
        let skipped = so_far.unwrap().skipped;
        assert_eq!((skipped.len(), skipped.last()), (MAX_SKIPPED_RANGES, Some(&(997, 997))));
    }
}

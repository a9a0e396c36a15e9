//! Recognizes airings in segments that are decoded again. This happens if a process recorded the airings and was killed
//! before it stored its position.

use std::collections::HashMap;

use refrain_catalog::{Detection, DetectionId, StoredDetection};
use refrain_core::matching::live::EventKind;

/// Maximum difference between the starts of two detections of one track that count as the same airing, in seconds. The
/// start of an airing can move when it is decoded from another segment on. At half this value, an airing whose start
/// moves by 2 s is reported twice; at twice this value, a jingle that is repeated within 6 s is one airing.
const SAME_START_SECONDS: f64 = 3.0;

/// Stored detections in audio that is decoded again.
#[derive(Debug, Default)]
pub(crate) struct RedecodedDetections {
    known: Vec<StoredDetection>,
    /// Original ids of the airings that were detected again, by their new ids.
    original_ids: HashMap<DetectionId, DetectionId>,
}

impl RedecodedDetections {
    /// Creates the set of detections that began after the stored position.
    pub(crate) fn of(known: Vec<StoredDetection>) -> Self {
        Self { known, original_ids: HashMap::new() }
    }

    /// Returns the stored detection of the airing that `again` detects again; `None` if none exists. Each stored detection
    /// is returned once.
    pub(super) fn find_again(&mut self, again: &Detection) -> Option<StoredDetection> {
        let is_same_airing = |StoredDetection { detection: known, .. }: &StoredDetection| {
            known.detected.track == again.detected.track
                && (known.epoch() - again.epoch()).abs() < SAME_START_SECONDS
        };
        let at = self.known.iter().position(is_same_airing).filter(|_| again.kind == EventKind::Start)?;
        let known = self.known.swap_remove(at);
        self.original_ids.insert(again.id, known.detection.id);
        Some(known)
    }

    /// Returns the id with which an airing was reported first; `airing` itself if it was not reported before.
    pub(super) fn original(&self, airing: DetectionId) -> DetectionId {
        self.original_ids.get(&airing).copied().unwrap_or(airing)
    }
}

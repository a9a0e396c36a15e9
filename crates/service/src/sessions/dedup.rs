//! Deduplicates airings that earlier workers of a session reported.

use refrain_catalog::{Detection, DetectionId, StoredDetection};

use super::redecoded::RedecodedDetections;
use super::reported::ReportedDetections;

/// The rule by which a recorder recognizes an airing that was reported before.
#[derive(Debug)]
pub(crate) enum Dedup {
    /// For live streams: the events of a repeated airing are dropped. After a take-over, a worker decodes the last
    /// segments of its predecessor again. The two workers have different clocks, so the positions of an airing differ.
    Reported(ReportedDetections),
    /// For segments: a repeated airing continues the reported one. Segments that are decoded again have the same
    /// positions.
    Redecoded(RedecodedDetections),
}

/// The airing that an event belongs to.
#[derive(Debug, PartialEq)]
pub(crate) enum AiringIdentity {
    /// An airing that was reported before. Its events are dropped.
    Repeat,
    /// The airing with this id.
    Airing(DetectionId),
    /// An airing that was reported before, in audio that is decoded again. It keeps its stored values.
    Known(Box<StoredDetection>),
}

impl Dedup {
    /// Returns the airing of a detection whose times are those of the session.
    pub(super) fn identify(&mut self, detection: &Detection) -> AiringIdentity {
        match self {
            Self::Reported(reported) => {
                if reported.is_duplicate(detection) {
                    AiringIdentity::Repeat
                } else {
                    AiringIdentity::Airing(detection.id)
                }
            }
            Self::Redecoded(redecoded) => match redecoded.find_again(detection) {
                Some(known) => AiringIdentity::Known(Box::new(known)),
                None => AiringIdentity::Airing(redecoded.original(detection.id)),
            },
        }
    }

    /// Adds an airing that has ended, so that its repetition is recognized.
    pub(super) fn add_final(&mut self, detection: Detection) {
        if let Self::Reported(reported) = self {
            reported.add_final(detection);
        }
    }
}

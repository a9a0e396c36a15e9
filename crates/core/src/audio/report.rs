//! What a file is, and what became of it.

use serde::{Deserialize, Serialize};

/// How the sound was stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// Container: "wave", "mp4", "ogg", "mpeg-ts", ….
    pub container: String,
    /// Codec: "Vorbis", "Advanced Audio Coding", ….
    pub codec: String,
    /// Sample rate of the decoded sound before resampling, in hertz. For HE-AAC that of its core, half of the full rate.
    pub sample_rate: u32,
    /// Channels before mixing.
    pub channels: usize,
}

/// What was read, and what was lost on the way. Complete when the reader is at its end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DecodeReport {
    /// Seconds of sound handed out so far.
    pub seconds: f64,
    /// Seconds that the container promises, where it says so exactly.
    pub declared_seconds: Option<f64>,
    /// Packets read, lost ones included.
    pub packets: u64,
    /// Packets that could not be decoded, and places where the container itself was damaged.
    pub lost_packets: u64,
    /// Seconds of sound that are missing, estimated: silence stands for them, or the end comes too early.
    pub lost_seconds: f64,
    /// Samples that were NaN, infinite or absurdly large and were replaced by 0.
    pub replaced_samples: u64,
    /// Whether the file ends before its container says.
    pub truncated: bool,
    /// What was wrong first, for messages.
    pub first_damage: Option<String>,
}

impl DecodeReport {
    /// Whether anything at all was lost or replaced.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.lost_packets > 0 || self.replaced_samples > 0 || self.truncated || self.lost_seconds > 0.0
    }

    pub(super) fn damage(&mut self, what: &str) {
        if self.first_damage.is_none() {
            self.first_damage = Some(what.to_owned());
        }
    }
}

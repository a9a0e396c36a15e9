//! Alerts about the audio of a stream.

use serde::{Deserialize, Serialize};

/// Kind of an alert. A stream has at most one open alert of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// All channels are silent.
    Silence,
    /// The short-term loudness is low. Silence is not quiet.
    Quiet,
    /// The short-term loudness is high.
    Loud,
    /// Many samples are cut at full scale.
    Clipping,
    /// One of the first two channels is much quieter than the other.
    DeadChannel,
    /// The first two channels cancel each other, as with a swapped wire.
    PhaseInverted,
    /// The mean of the samples is not 0.
    DcOffset,
    /// The same seconds of audio repeat exactly, as from a source that is stuck.
    Repetition,
    /// The sample rate or the number of channels has changed.
    FormatChange,
}

impl AlertKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Silence,
        Self::Quiet,
        Self::Loud,
        Self::Clipping,
        Self::DeadChannel,
        Self::PhaseInverted,
        Self::DcOffset,
        Self::Repetition,
        Self::FormatChange,
    ];

    /// Returns the name: `silence`, `quiet`, `loud`, `clipping`, `dead_channel`, `phase_inverted`, `dc_offset`,
    /// `repetition` or `format_change`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Quiet => "quiet",
            Self::Loud => "loud",
            Self::Clipping => "clipping",
            Self::DeadChannel => "dead_channel",
            Self::PhaseInverted => "phase_inverted",
            Self::DcOffset => "dc_offset",
            Self::Repetition => "repetition",
            Self::FormatChange => "format_change",
        }
    }

    /// Returns the unit of the value and of the threshold; empty for a number without a unit.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Silence => "dBFS",
            Self::Quiet | Self::Loud => "LUFS",
            Self::Clipping => "samples/s",
            Self::DeadChannel => "dB",
            Self::PhaseInverted | Self::DcOffset => "",
            Self::Repetition => "s",
            Self::FormatChange => "changes",
        }
    }
}

/// The value that an alert compares with its threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertReading {
    /// Value, in the unit of the kind. The number of changes so far for [`AlertKind::FormatChange`].
    pub value: f64,
    /// Threshold, in the unit of the kind; 0 for [`AlertKind::FormatChange`].
    pub threshold: f64,
    /// Description of the fault, for people.
    pub reason: String,
}

/// The start or the end of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertEvent {
    /// Kind of the alert.
    pub kind: AlertKind,
    /// True for the start, and false for the end.
    pub is_start: bool,
    /// Start of the fault, in samples at 44.1 kHz since the first sample of the stream. It is the start of the audio
    /// that made the alert start, so it is earlier than the event. `None` if an earlier analyzer found the start.
    pub since: Option<u64>,
    /// End of the audio that was measured, in the same unit. For the end of an alert, the fault ended before by the
    /// duration after which an alert ends.
    pub at: u64,
    /// Value, threshold and reason.
    pub reading: AlertReading,
}

/// An open alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenAlert {
    /// Kind of the alert.
    pub kind: AlertKind,
    /// Start of the fault, as in [`AlertEvent::since`].
    pub since: Option<u64>,
    /// Value, threshold and reason at the start.
    pub reading: AlertReading,
}

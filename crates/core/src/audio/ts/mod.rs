//! Demuxes MPEG transport streams (ISO/IEC 13818-1): splits pushed bytes into audio frames with time stamps.
//!
//! ```text
//! bytes ─► packets of 188 bytes ─► PAT → PMT choose a stream ─► PES ─► frames (AAC, MPEG audio, AC-3, Opus, FLAC)
//! ```
//!
//! The output does not depend on how the bytes are split into pushes. Damaged bytes affect only the frames that contain
//! them. Packets are found again by their sync bytes, and tables are accepted only with a valid checksum. After a jump
//! of a continuity counter, the incomplete frame is discarded. A frame is returned as soon as its last byte was pushed.

mod choice;
mod continuity;
mod damage;
mod demuxer;
mod flac;
mod frames;
mod headers;
mod latm;
mod opus;
mod packet;
mod pes;
mod psi;
mod reader;
mod role;
mod sync;

pub use choice::TrackChoice;
pub use damage::TsDamage;
pub use demuxer::{TsDemuxer, TsStream};
pub use frames::{AudioFrame, FrameSplitter};
pub use headers::{AudioCoding, FrameFormat};
pub use psi::section_checksum;
pub use sync::looks_like_ts;

pub(super) use reader::{TsReader, parameters};

/// Ticks per second of presentation time stamps.
pub const PTS_CLOCK: u32 = 90_000;

/// Modulus of presentation time stamps, which have 33 bits: 26.5 hours.
pub const PTS_WRAP: u64 = 1 << 33;

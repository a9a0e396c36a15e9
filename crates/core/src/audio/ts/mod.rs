//! MPEG transport streams (ISO/IEC 13818-1): pushed bytes to timed audio frames.
//!
//! ```text
//! bytes ─► packets of 188 bytes ─► PAT → PMT choose a stream ─► PES ─► frames (ADTS, LATM, MPEG audio)
//! ```
//!
//! How the bytes were cut into pushes never changes what comes out. Damage costs the frames that it touches:
//! packets are found again by their sync bytes, tables are taken only with a good checksum, counters that jump
//! end a frame, and a frame is given out as soon as it is complete, so that nothing waits for a next packet.

mod demuxer;
mod frames;
mod headers;
mod latm;
mod packet;
mod pes;
mod psi;
mod reader;
mod sync;

pub use demuxer::{TsDamage, TsDemuxer, TsStream};
pub use frames::{AudioFrame, FrameSplitter};
pub use headers::{AudioCoding, FrameFormat};
pub use sync::looks_like_ts;

pub(super) use reader::{TsReader, parameters};

/// Ticks per second of presentation time stamps.
pub const PTS_CLOCK: u32 = 90_000;

/// Presentation time stamps count modulo this: 33 bits, 26.5 hours.
pub const PTS_WRAP: u64 = 1 << 33;

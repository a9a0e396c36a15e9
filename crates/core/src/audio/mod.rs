//! Decoding: any file or byte stream to 44.1 kHz mono.
//!
//! [`AudioReader`] opens a file or a stream, finds its first audio track that can be decoded, and hands out
//! its sound in chunks: mixed to mono by averaging, resampled to [`SAMPLE_RATE`], free of NaN and infinity.
//! Memory is bounded: a ten-hour file needs no more than a song.
//!
//! ```text
//! bytes ─► source ─► demux (containers, MPEG-TS) ─► codec ─► mix to mono ─► resample ─► chunks
//! ```
//!
//! Damage is survived, not hidden: a packet that cannot be decoded becomes silence of its length, so that
//! times after it stay right, and [`DecodeReport`] counts it. Everything that comes from the file is bounded
//! by [`Limits`]; what exceeds them is an [`AudioError`] that names the file.
//!
//! For live streams there are pieces that are pushed: [`ts`] takes bytes and gives timed audio frames,
//! [`LiveDecoder`] takes frames and gives sound.

mod aac_config;
mod bits;
mod codec;
mod container;
mod demux;
mod error;
mod extensions;
mod guard;
mod limits;
mod live;
mod mix;
mod open;
mod opus;
mod output;
mod precheck;
mod reader;
mod report;
mod resample;
mod sniff;
mod source;
mod tags;
pub mod ts;

pub use error::{AudioError, LimitKind};
pub use extensions::{SUPPORTED_EXTENSIONS, supported_extension};
pub use limits::Limits;
pub use live::{FrameError, LiveDecoder, Mp4Track};
pub use open::shown_name;
pub use reader::AudioReader;
pub use report::{DecodeReport, Format};
pub use source::Searchable;
pub use tags::Tags;

/// Sample rate of everything behind the decoder, in hertz.
pub const SAMPLE_RATE: u32 = 44_100;

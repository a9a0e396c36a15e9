//! Decodes audio files and byte streams to 44.1 kHz mono.
//!
//! [`AudioReader`] opens a file or a stream, selects the first audio track that can be decoded, and returns the audio
//! of that track in chunks. The audio is mixed to mono by averaging, resampled to [`SAMPLE_RATE`], and contains no NaN
//! or infinity. A file of ten hours takes no more memory than a song.
//!
//! ```text
//! bytes ─► source ─► demux (containers, MPEG-TS) ─► codec ─► mix to mono ─► resample ─► chunks
//! ```
//!
//! Damaged packets do not end decoding. A packet that cannot be decoded is replaced by silence of the same length, so
//! that later audio keeps its time, and [`DecodeReport`] counts the packet. [`Limits`] bounds length, sample rate,
//! number of channels and tags. A file that exceeds a limit, except that of tags, is rejected with an [`AudioError`]
//! that contains the name of the file.
//!
//! For live streams there are push interfaces: [`ts`] splits the bytes of a transport stream into audio frames with
//! time stamps, and [`LiveDecoder`] decodes frames to samples. [`health`] measures the audio of a live stream.

mod aac_config;
mod aac_track;
mod ac3;
mod bits;
mod clock_source;
mod codec;
mod container;
mod demux;
mod error;
mod extensions;
mod frame_reader;
mod guard;
pub mod health;
mod language;
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
mod track_demuxer;
pub mod ts;

pub use clock_source::ClockSource;
pub use error::{AudioError, LimitKind};
pub use extensions::{SUPPORTED_EXTENSIONS, supported_extension};
pub use language::is_same_language;
pub use limits::Limits;
pub use live::{FrameError, LiveDecoder, Mp4Track};
pub use open::display_name;
pub use reader::AudioReader;
pub use report::{DecodeReport, Format};
pub use source::Seekable;
pub use tags::Tags;

/// Sample rate of the decoded audio, and of all later stages, in hertz.
pub const SAMPLE_RATE: u32 = 44_100;

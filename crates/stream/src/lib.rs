//! Live sources as timed audio: HLS, HTTP radio, standard input, MPEG-TS over UDP.
//!
//! ```text
//! source (network, async) ─► Delivery: bytes in order, gaps ─► ear (CPU, sync): demux ─► decode ─► resample ─► Sound
//! ```
//!
//! Sources: HTTP radio ([`RadioSource`]), standard input and other pipes ([`PipeSource`]), MPEG-TS over UDP
//! ([`UdpSource`]). All give [`Delivery`] after [`Delivery`]; an [`Ear`] makes timed sound of them.
//!
//! A source runs on the async runtime and never looks into the bytes further than a playlist needs; everything that
//! costs processor time stands behind [`Delivery`], where one ear a stream lives across all its segments.

mod backoff;
mod delivery;
mod ear;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    //! Entry points to private parsers for the fuzz targets; no part of the interface.
    pub use crate::ear::fuzzing::packed_audio;
    pub use crate::radio::fuzzing::{icy_body, icy_header, station_list};
}
mod gaps;
pub mod hls;
pub mod http;
mod pipe;
mod radio;
mod udp;

/// A source is given up after this time without media, whatever the reason. Long enough for the restart of an encoder or a
/// server, short enough for a wrong address to be noticed.
pub const GIVE_UP_AFTER: std::time::Duration = std::time::Duration::from_secs(5 * 60);

pub use backoff::Backoff;
pub use delivery::{Delivery, Gap, GapReason, InitSection, LiveAudio, LiveChunk, Segment};
pub use ear::{Clock, ClockAnchor, ClockSource, Ear, EarReport, EarSettings, EarState, Media, Sound, Title};
pub use gaps::{GapCounts, Gaps};
pub use pipe::{PcmError, PcmFormat, PipeContent, PipeError, PipeSource, SampleEncoding};
pub use radio::{RadioError, RadioSettings, RadioSource, RadioStatus, Station};
pub use udp::{UdpError, UdpSettings, UdpSource, UdpStatus};

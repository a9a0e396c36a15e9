//! Receives live sources (HLS, DASH, HTTP radio, standard input, MPEG-TS over UDP) and converts them to timed audio.
//!
//! ```text
//! source (network, async) ─► Delivery: bytes in order, gaps ─► StreamDecoder (CPU, sync) ─► Sound
//! ```
//!
//! The sources are HLS and DASH ([`hls::HlsSource`]), HTTP radio ([`RadioSource`]), standard input and other pipes
//! ([`PipeSource`]), and MPEG-TS over UDP ([`UdpSource`]). Each produces a sequence of [`Delivery`] values, which a
//! [`StreamDecoder`] turns into timed audio ([`Sound`]).
//!
//! A source runs on the async runtime. Demuxing and decoding take processor time and therefore happen in the
//! [`StreamDecoder`]. Each stream has one decoder, which keeps its state across all segments. Audio that needs a
//! blocking reader (files and pipes except MPEG-TS, radio in containers such as Ogg) is decoded by the source on a
//! separate thread.

mod codecs;
mod dash;
mod decode;
mod delivery;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    //! Entry points to private parsers for the fuzz targets. They are not part of the public interface.
    pub use crate::dash::fuzzing::manifest;
    pub use crate::decode::fuzzing::packed_audio;
    pub use crate::hls::fuzzing::sample_aes;
    pub use crate::radio::fuzzing::{icy_body, icy_header, station_list};
}
mod gaps;
pub mod hls;
mod pipe;
mod radio;
mod sniff;
mod udp;

/// Default time without received media after which a stream ends, whatever the reason. The time is long enough for an
/// encoder or a server to restart, and short enough for a wrong address to be noticed. At half this value, the restart
/// of a large encoder farm ends streams; at twice this value, a stream with a wrong address stays in the state
/// `starting` for 10 minutes.
pub const GIVE_UP_AFTER: std::time::Duration = std::time::Duration::from_secs(5 * 60);

pub use decode::{
    ClockAnchor, DecoderReport, DecoderSettings, DecoderState, Media, Sound, StreamClock, StreamDecoder,
    Title, UnreadableRun,
};
pub use delivery::{Delivery, Gap, GapReason, HlsSegment, InitSection, LiveAudio, LiveChunk};
pub use gaps::{GapCounts, Gaps};
pub use pipe::{PcmError, PcmFormat, PipeContent, PipeError, PipeSource, SampleEncoding};
pub use radio::{RadioError, RadioFeedback, RadioSettings, RadioSource, RadioStatus, Station};
pub use refrain_core::audio::ClockSource;
pub use refrain_core::audio::health::HealthBlock;
pub use refrain_core::audio::ts::TrackChoice;
pub use sniff::{DOCUMENT_HEAD_BYTES, DocumentKind};
pub use udp::{UdpError, UdpSettings, UdpSource, UdpStatus};

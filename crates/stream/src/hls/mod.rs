//! Live and recorded HLS (RFC 8216, and the parts of RFC 8216bis that Low-Latency HLS needs), and the follower of DASH.
//!
//! [`HlsSource`] follows a playlist: it chooses a rendition, loads the playlist at the intervals of the specification,
//! fetches each segment once, decrypts it, and delivers segments and gaps in order. At the live edge of Low-Latency
//! HLS, the segment that the server is still producing is delivered part by part. Errors of the server do not end the
//! source once it has received a playlist; the [`SourceStatus`] reports its state. The source ends at the end of the
//! playlist, or after [`HlsSettings::give_up_after`] without new segments.
//!
//! If the entry URL is a DASH manifest, its representations are the renditions, and the segments of the followed one are
//! converted to a media playlist. Everything else is the same.

mod entry;
mod follow;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod key;
pub mod playlist;
mod rendition;
mod sample_aes;
mod settings;
mod status;

pub use crate::dash::{MpdError, is_mpd as is_dash_manifest};
pub use entry::EntryUrl;
pub use follow::{HlsSource, RenditionFeedback};
pub use settings::{HlsSettings, RenditionChoice, RenditionChoiceError, Start};
pub use status::{EndReason, HlsError, MediaFailure, SourceState, SourceStatus};

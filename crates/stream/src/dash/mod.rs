//! Live and recorded MPEG-DASH (ISO/IEC 23009-1), by the guidelines of DASH-IF for live services.
//!
//! ```text
//! MPD ─► mpd: parsed, with limits ─► select: representations in order of preference
//!        presentation: the newest MPD, the clock of the server ─► segments ─► numbering ─► MediaPlaylist
//! ```
//!
//! This module only converts a manifest (MPD) to the model of a media playlist of HLS. The follower of HLS
//! (`hls/follow`) loads the manifest, plans and fetches the segments and delivers them, so both kinds of stream have the
//! same limits, retries and gaps. Presentation times identify the segments: the number of a segment is the same in each
//! load, for each representation with the same segments ([`numbering`]).
//!
//! Segments are fetched as soon as they are complete, because nothing is played; `suggestedPresentationDelay` is
//! therefore ignored. Of the chunks of a low-latency segment, the whole segment is fetched. Patches of manifests are not
//! used: the manifest is loaded as a whole. Event messages in segments are ignored.

mod clock;
pub(crate) mod mpd;
mod numbering;
mod playlist;
mod presentation;
mod runs;
mod segments;
mod select;
mod sidx;
mod template;
#[cfg(test)]
mod tests;

pub(crate) use clock::{TimeSource, http_date};
pub use mpd::MpdError;
pub use mpd::is_mpd;
pub(crate) use mpd::parse;
pub(crate) use presentation::{LoadedMpd, Presentation};
pub(crate) use sidx::{MAX_INDEX_BYTES, SegmentIndex};

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;

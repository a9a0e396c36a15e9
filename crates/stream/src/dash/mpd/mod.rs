//! Parser of manifests (MPD): the XML, its limits, and the values that follow from it.

mod inherit;
mod model;
mod protection;
mod read;
mod segment_info;
#[cfg(test)]
mod tests;
mod values;
mod xml;

use url::Url;

use crate::sniff::{DOCUMENT_HEAD_BYTES, root_element};

pub(crate) use model::AddressingKind;
pub(crate) use model::{Mpd, Period, Representation, Resource, SegmentInfo, TimelineEntry, UtcTiming};

/// Largest accepted manifest, bytes: the limit of playlists, for the same reasons
/// ([`MAX_PLAYLIST_BYTES`](crate::hls::playlist::MAX_PLAYLIST_BYTES)).
pub(crate) const MAX_MPD_BYTES: usize = 16 * 1024 * 1024;

/// Error of a DASH manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MpdError {
    /// The manifest is not well-formed XML. Contains the reason.
    #[error("the DASH manifest is not well-formed XML: {0}")]
    Xml(String),
    /// The manifest contains a document type definition, which could define entities.
    #[error("the DASH manifest contains a document type definition (DTD), which is not supported")]
    DocType,
    /// The manifest has more elements of a kind than the limit.
    #[error("the DASH manifest has more than {limit} elements {element}")]
    ManyElements {
        /// Name of the element.
        element: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The manifest is larger than this limit, bytes.
    #[error("the DASH manifest is larger than {0} bytes")]
    TooLarge(usize),
    /// The manifest of a live stream has no `availabilityStartTime`.
    #[error("the DASH manifest is dynamic and has no valid availabilityStartTime")]
    NoStartTime,
    /// All audio is encrypted. Contains the names of the DRM systems.
    #[error("the audio of the DASH manifest is encrypted ({0}); use the address of a clear stream")]
    Encrypted(String),
    /// No representation contains audio that can be decoded. Contains the reason.
    #[error("the DASH manifest lists no audio that can be decoded: {0}")]
    NoAudio(String),
    /// The requested rendition does not exist.
    #[error("rendition {wanted} not found in the DASH manifest; available: {found}")]
    NoRendition {
        /// The requested rendition, as text.
        wanted: String,
        /// Names of the available renditions.
        found: String,
    },
    /// The segment index of a representation (`sidx`) cannot be used. Contains the reason.
    #[error("the segment index of the DASH representation cannot be used: {0}")]
    Index(&'static str),
    /// The URL of the manifest returned something else.
    #[error("the response is not a DASH manifest")]
    NotAManifest,
    /// The URL of a rendition of HLS returned a DASH manifest.
    #[error("the response is a DASH manifest, not a media playlist")]
    NotAPlaylist,
}

impl MpdError {
    /// Returns true if a later version of the manifest can be usable.
    pub fn is_transient(&self) -> bool {
        !matches!(
            self,
            Self::DocType | Self::NoStartTime | Self::Encrypted(_) | Self::NoAudio(_) | Self::Index(_)
        )
    }
}

/// Returns true if the body of a response begins like a DASH manifest: XML whose root element is `MPD`.
pub fn is_mpd(body: &[u8]) -> bool {
    let head = body.get(..DOCUMENT_HEAD_BYTES).unwrap_or(body);
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    head.starts_with(b"<") && root_element(head) == Some(b"MPD")
}

/// Parses a manifest that was loaded from the URL `base`. Values that cannot be used are treated as missing.
///
/// # Errors
/// [`MpdError`] if the manifest is not well-formed, exceeds a limit, or lacks a value that it needs.
pub(crate) fn parse(bytes: &[u8], base: &Url) -> Result<Mpd, MpdError> {
    if bytes.len() > MAX_MPD_BYTES {
        return Err(MpdError::TooLarge(MAX_MPD_BYTES));
    }
    // One wrong byte, for example in a title, must not make the whole manifest unusable.
    let text = String::from_utf8_lossy(bytes);
    inherit::complete(read::read(&text)?, base)
}

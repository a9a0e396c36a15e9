//! Parsing of a loaded playlist: small ones at once, large ones on a separate thread.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use url::Url;

use crate::dash::mpd::Mpd;
use crate::dash::{self, MpdError};
use crate::hls::playlist::{Playlist, PlaylistError, Variables, parse_rendition};

/// Largest playlist that is parsed on the thread of the runtime, bytes. Parsing it takes some milliseconds, in which
/// other streams of the thread wait. At half this value, playlists of an hour use another thread; at twice this value,
/// other streams wait twice as long.
const MAX_INLINE_BYTES: usize = 256 * 1024;

/// Maximum number of large playlists that a process parses at a time. Parsing 16 MiB takes up to half a second and
/// 100 MB. At half this value, one hostile stream delays the large playlists of all others; at twice this value, hostile
/// streams use twice the memory and processors.
const MAX_LARGE_PARSES: usize = 2;

/// Maximum length of the name of a content encoding in an error, characters. The longest registered name has 13. At half
/// this value, lists of encodings are cut; at twice this value, a hostile name fills more of a line of a log.
const MAX_SHOWN_CHARS: usize = 32;

static LARGE_PARSES: Semaphore = Semaphore::const_new(MAX_LARGE_PARSES);

/// Parses the body of a response. `base` is its URL after redirects, to which relative URLs refer. `encoding` is the
/// content encoding that was not decoded, and `master` contains the variables of the master playlist; `None`
/// without a master playlist.
///
/// # Errors
/// [`PlaylistError`] as for [`parse_rendition`]; [`PlaylistError::Encoding`] if the body is not a playlist and has a
/// content encoding that was not decoded.
pub(super) async fn parse_response(
    body: Bytes,
    base: &Url,
    encoding: Option<&str>,
    master: Option<Arc<Variables>>,
) -> Result<Playlist, PlaylistError> {
    let parsed = parse(body, base, master).await;
    // Checked after parsing, because some servers name an encoding that they did not apply.
    match (parsed, encoding) {
        (Err(PlaylistError::NotAPlaylist(_)), Some(encoding)) => {
            Err(PlaylistError::Encoding(encoding.chars().take(MAX_SHOWN_CHARS).collect()))
        }
        (parsed, _) => parsed,
    }
}

async fn parse(body: Bytes, base: &Url, master: Option<Arc<Variables>>) -> Result<Playlist, PlaylistError> {
    if body.len() <= MAX_INLINE_BYTES {
        return parse_rendition(&body, base, master.as_deref());
    }
    let base = base.clone();
    let parsed = on_thread(move || parse_rendition(&body, &base, master.as_deref())).await;
    parsed.unwrap_or(Err(PlaylistError::Malformed))
}

/// Parses a DASH manifest. `base` is its URL after redirects.
///
/// # Errors
/// The same as [`dash::parse`].
pub(super) async fn parse_manifest(body: Bytes, base: &Url) -> Result<Mpd, MpdError> {
    if body.len() <= MAX_INLINE_BYTES {
        return dash::parse(&body, base);
    }
    let base = base.clone();
    let parsed = on_thread(move || dash::parse(&body, &base)).await;
    parsed.unwrap_or_else(|| Err(MpdError::Xml("the parser failed".to_owned())))
}

/// Parses a large response on a separate thread. Returns `None` if the parser panics or the runtime ends.
pub(super) async fn on_thread<T: Send + 'static>(parse: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let permit = LARGE_PARSES.acquire().await;
    let parsed = tokio::task::spawn_blocking(move || {
        // Released by the thread, because a dropped stream does not end the parsing.
        let _permit = permit;
        parse()
    });
    parsed.await.ok()
}

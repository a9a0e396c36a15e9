//! Detection of the kind of stream behind a URL.

use std::time::Duration;

use refrain_net::{HttpClient, HttpError, HttpFailure, HttpRequest};
use refrain_stream::hls::is_dash_manifest;

use super::status::SourceKind;

/// Timeout of the request that detects the kind. At half this value, requests to overloaded stations fail and are
/// retried; at twice this value, a wrong address is reported 10 s later.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// First bytes of a playlist.
const PLAYLIST: &[u8] = b"#EXTM3U";

/// Prefix of tags that every HLS playlist contains. The playlist of a radio station contains no such tag.
const HLS_TAG: &[u8] = b"#EXT-X-";

/// Content type of DASH manifests.
const DASH_TYPE: &str = "application/dash+xml";

/// Number of bytes at the start of a playlist in which `HLS_TAG` is searched. HLS tags are in the first lines. Half or
/// twice this value only changes the number of bytes that are read from a large playlist of a station.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Detects HLS, DASH or radio. HLS is detected by the extension of the path, or else by the beginning of the response,
/// and DASH by the beginning or the content type of the response. The playlist of a station (M3U, PLS) is radio.
///
/// # Errors
/// Returns [`HttpError`] if the request fails.
pub(super) async fn kind_of(request: HttpRequest<'_>, client: &HttpClient) -> Result<SourceKind, HttpError> {
    let path = request.url().path().to_ascii_lowercase();
    // No request is made, because the entry URL of such a stream may be valid only once.
    if path.ends_with(".m3u8") {
        return Ok(SourceKind::Hls);
    }
    let mut response = match client.get(request.identity(), REQUEST_TIMEOUT).await {
        Ok(response) => response,
        // The responses of the oldest radio servers are not valid HTTP.
        Err(error) if matches!(error.reason, HttpFailure::Broken(_)) => return Ok(SourceKind::Radio),
        Err(error) => return Err(error),
    };
    let content_type = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
    if content_type.starts_with(DASH_TYPE) {
        return Ok(SourceKind::Dash);
    }
    let is_mpegurl = content_type.contains("mpegurl");
    let mut head = Vec::new();
    loop {
        let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head);
        if text.windows(HLS_TAG.len()).any(|tag| tag == HLS_TAG) {
            return Ok(SourceKind::Hls);
        }
        if is_dash_manifest(text) {
            return Ok(SourceKind::Dash);
        }
        // A body that begins otherwise is audio; reading on would only delay the start of the stream.
        // A manifest can begin with comments.
        let is_xml = text.trim_ascii_start().starts_with(b"<");
        let may_be = is_mpegurl || is_xml || text.starts_with(PLAYLIST) || PLAYLIST.starts_with(text);
        if !may_be || head.len() > MAX_HEAD_BYTES {
            return Ok(SourceKind::Radio);
        }
        match response.chunk().await? {
            Some(bytes) => head.extend_from_slice(&bytes),
            None => return Ok(SourceKind::Radio),
        }
    }
}

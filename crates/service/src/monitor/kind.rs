//! What kind of stream stands behind a URL.

use std::time::Duration;

use refrain_stream::http::{AddressPolicy, HttpClient, HttpError, HttpFailure, Question};
use url::Url;

use super::status::SourceKind;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a playlist begins.
const PLAYLIST: &[u8] = b"#EXTM3U";

/// A tag that every playlist of HLS has, and no station's.
const HLS_TAG: &[u8] = b"#EXT-X-";

/// Bytes of a playlist in which such a tag is looked for.
const MAX_HEAD: usize = 64 * 1024;

/// Tells HLS from radio: by the name, else by how the answer begins. A station's playlist (M3U, PLS) is radio.
///
/// # Errors
/// [`HttpError`] if the server gives no answer from which it could be told.
pub(super) async fn kind_of(
    url: &Url,
    client: &HttpClient,
    policy: &AddressPolicy,
) -> Result<SourceKind, HttpError> {
    let path = url.path().to_ascii_lowercase();
    if path.ends_with(".m3u8") {
        return Ok(SourceKind::Hls);
    }
    let mut answer = match client.ask(Question::new(url, policy).identity(), PATIENCE).await {
        Ok(answer) => answer,
        // The oldest radio servers answer in no version of HTTP.
        Err(error) if matches!(error.reason, HttpFailure::Broken(_)) => return Ok(SourceKind::Radio),
        Err(error) => return Err(error),
    };
    let told =
        answer.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("mpegurl"));
    let mut head = Vec::new();
    loop {
        let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head);
        if text.windows(HLS_TAG.len()).any(|tag| tag == HLS_TAG) {
            return Ok(SourceKind::Hls);
        }
        let may_be = told || text.starts_with(PLAYLIST) || PLAYLIST.starts_with(text);
        if !may_be || head.len() > MAX_HEAD {
            return Ok(SourceKind::Radio);
        }
        match answer.chunk().await? {
            Some(bytes) => head.extend_from_slice(&bytes),
            None => return Ok(SourceKind::Radio),
        }
    }
}

//! What kind of stream stands behind a URL.

use std::time::Duration;

use refrain_stream::http::{HttpClient, HttpError, HttpFailure, Question, Reach};
use url::Url;

use super::status::SourceKind;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a playlist begins.
const PLAYLIST: &[u8] = b"#EXTM3U";

/// Tells HLS from radio: by the name, else by what the server says it is, else by how it begins.
///
/// # Errors
/// [`HttpError`] if the server gives no answer from which it could be told.
pub(super) async fn kind_of(url: &Url, client: &HttpClient, reach: Reach) -> Result<SourceKind, HttpError> {
    let path = url.path().to_ascii_lowercase();
    if path.ends_with(".m3u8") {
        return Ok(SourceKind::Hls);
    }
    let mut answer = match client.ask(Question::new(url, reach).identity(), PATIENCE).await {
        Ok(answer) => answer,
        // The oldest radio servers answer in no version of HTTP.
        Err(error) if matches!(error.reason, HttpFailure::Broken(_)) => return Ok(SourceKind::Radio),
        Err(error) => return Err(error),
    };
    let kind = answer.header("content-type").unwrap_or_default().to_ascii_lowercase();
    if kind.contains("mpegurl") {
        return Ok(SourceKind::Hls);
    }
    let mut head = Vec::new();
    while head.len() < PLAYLIST.len() + 3 {
        match answer.chunk().await? {
            Some(bytes) => head.extend(bytes.iter().take(64)),
            None => break,
        }
    }
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head);
    Ok(if text.starts_with(PLAYLIST) { SourceKind::Hls } else { SourceKind::Radio })
}

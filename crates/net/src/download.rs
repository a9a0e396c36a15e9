//! Downloads whose body is written piece by piece.

use std::io;

use tokio::time::timeout;

use super::{HttpClient, HttpError, HttpFailure, HttpRequest, TransferLimits};

/// Reason why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The request failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A piece could not be written.
    #[error("cannot write the downloaded data: {0}")]
    Write(#[from] io::Error),
    /// The URL is a live stream, which has no end.
    #[error("{0}: this is a live stream; follow it with `refrain monitor`")]
    Live(super::ShownUrl),
}

/// Progress of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferProgress {
    /// Bytes downloaded so far.
    pub bytes: u64,
    /// Length in bytes that the server announces; `None` if it announces no valid length.
    pub total: Option<u64>,
}

impl HttpClient {
    /// Requests a URL and passes each piece of the body to `write`, together with the progress before that piece.
    /// Redirects are followed and checked as in [`HttpClient::fetch`]. Returns the length of the body in bytes.
    ///
    /// # Errors
    /// [`DownloadError::Http`] with [`HttpFailure::TooLarge`] as soon as the length exceeds the limit, and for each
    /// other failed request; [`DownloadError::Live`] if the response has a header of a radio station (`icy-…`);
    /// [`DownloadError::Write`] with the first error of `write`.
    pub async fn download(
        &self,
        http_request: HttpRequest<'_>,
        limits: TransferLimits,
        mut write: impl FnMut(&[u8], TransferProgress) -> io::Result<()>,
    ) -> Result<u64, DownloadError> {
        let url = http_request.url().clone();
        let all = async {
            let mut response = self.get(http_request, limits.total).await?;
            // A station never ends, so only the time limit or the full disk would stop the download.
            if response.has_header_prefix("icy-") {
                return Err(DownloadError::Live(response.url().into()));
            }
            let too_large = |url| HttpError::new(url, HttpFailure::TooLarge(limits.bytes));
            // A body that is announced as too large fails before a byte is written. The loop counts as well, because a
            // server may announce no length or a wrong one.
            let total = response.header("content-length").and_then(|length| length.parse::<u64>().ok());
            if total.is_some_and(|total| total > limits.bytes) {
                return Err(too_large(response.url()).into());
            }
            let mut bytes = 0_u64;
            while let Some(piece) = response.chunk().await? {
                if bytes.saturating_add(piece.len() as u64) > limits.bytes {
                    return Err(too_large(response.url()).into());
                }
                write(&piece, TransferProgress { bytes, total })?;
                bytes += piece.len() as u64;
            }
            Ok(bytes)
        };
        // Each chunk has its own timeout, so a server that sends a byte from time to time would never fail without a
        // limit of the total.
        match timeout(limits.total, all).await {
            Ok(done) => done,
            Err(_) => Err(HttpError::new(&url, HttpFailure::Timeout(limits.total.as_secs_f64())).into()),
        }
    }
}

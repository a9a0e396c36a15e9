//! A body that is written away piece by piece.

use std::io;

use tokio::time::timeout;

use super::{HttpClient, HttpError, HttpFailure, Limits, Question};

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The server or the network.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The pieces could not be written.
    #[error("{0}")]
    Write(#[from] io::Error),
    /// The server sends a stream without an end.
    #[error("{0}: this is a live stream; follow it with `refrain monitor`")]
    Live(super::ShownUrl),
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Downloaded {
    /// Bytes so far.
    pub bytes: u64,
    /// Length that the server announces.
    pub total: Option<u64>,
}

impl HttpClient {
    /// Requests a URL and gives each piece of the body to `write`, with what was downloaded before it. Redirects are followed
    /// and checked as in [`HttpClient::fetch`]. Returns the length of the body.
    ///
    /// # Errors
    /// [`DownloadError::Http`] with [`HttpFailure::TooLarge`] as soon as the length exceeds the limit, and for each other
    /// failure of a request; [`DownloadError::Live`] for a radio station; the first error of `write`.
    pub async fn download(
        &self,
        question: Question<'_>,
        limits: Limits,
        mut write: impl FnMut(&[u8], Downloaded) -> io::Result<()>,
    ) -> Result<u64, DownloadError> {
        let url = question.url().clone();
        let all = async {
            let mut answer = self.ask(question, limits.total).await?;
            if answer.has_header_prefix("icy-") {
                return Err(DownloadError::Live(answer.url().into()));
            }
            let too_large = |url| HttpError::new(url, HttpFailure::TooLarge(limits.bytes));
            let total = answer.header("content-length").and_then(|length| length.parse::<u64>().ok());
            if total.is_some_and(|total| total > limits.bytes) {
                return Err(too_large(answer.url()).into());
            }
            let mut bytes = 0_u64;
            while let Some(piece) = answer.chunk().await? {
                if bytes.saturating_add(piece.len() as u64) > limits.bytes {
                    return Err(too_large(answer.url()).into());
                }
                write(&piece, Downloaded { bytes, total })?;
                bytes += piece.len() as u64;
            }
            Ok(bytes)
        };
        match timeout(limits.total, all).await {
            Ok(done) => done,
            Err(_) => Err(HttpError::new(&url, HttpFailure::Timeout(limits.total.as_secs_f64())).into()),
        }
    }
}

//! Requests with endless responses, such as those of radio stations.

use super::follow::follow;
use super::{HttpError, HttpRequest};

/// A client for endless responses. It has no limits of time and size. It also accepts responses of very old servers,
/// which have no version of HTTP.
#[derive(Debug, Clone)]
pub struct StreamingClient(pub(super) reqwest::Client);

impl StreamingClient {
    /// Sends a GET request, follows redirects, and returns the response with any other status.
    ///
    /// # Errors
    /// [`HttpFailure::Scheme`](crate::HttpFailure::Scheme) and [`HttpFailure::Refused`](crate::HttpFailure::Refused) for
    /// the URL or the target of a redirect, and the failures of redirects and connections.
    pub async fn get(&self, http_request: HttpRequest<'_>) -> Result<reqwest::Response, HttpError> {
        follow(&http_request, |_| &self.0).await.map(|(response, _)| response)
    }
}

//! Sends a request and follows its redirects.

use reqwest::header::{self, HeaderMap};
use url::Url;

use super::{HttpError, HttpFailure, HttpRequest, check_address};

/// Maximum number of redirects of one request. CDNs and load balancers use one or two. At half this value, a URL with a
/// redirect for a token and two of a CDN fails; at twice this value, each attempt on a redirect loop sends eleven
/// requests.
const MAX_REDIRECTS: usize = 5;

/// Sends a GET request and follows redirects. Returns the first response that is not a redirect, with its URL.
/// `client_for` returns the client for a URL, which must not follow redirects itself.
///
/// # Errors
/// [`HttpFailure::Scheme`], [`HttpFailure::Refused`], [`HttpFailure::Redirects`], [`HttpFailure::RedirectTarget`],
/// [`HttpFailure::Connect`] and [`HttpFailure::Broken`].
pub(super) async fn follow<'c>(
    http_request: &HttpRequest<'_>,
    client_for: impl Fn(&Url) -> &'c reqwest::Client,
) -> Result<(reqwest::Response, Url), HttpError> {
    let mut url = http_request.url.clone();
    for _ in 0..=MAX_REDIRECTS {
        // Every redirect target is checked, because a permitted host can redirect to a private address.
        check_address(&url, http_request.policy).map_err(|reason| HttpError::new(&url, reason))?;
        let request = client_for(&url).get(url.clone()).headers(headers(http_request, &url));
        let response = request.send().await.map_err(|error| HttpError::from_reqwest(&url, &error))?;
        // Redirects often set the cookie that their target requires.
        if let Some(access) = http_request.access {
            access.store(&url, response.headers());
        }
        let status = response.status();
        if !status.is_redirection() || status == reqwest::StatusCode::NOT_MODIFIED {
            return Ok((response, url));
        }
        url = target(&url, &response)?;
    }
    Err(HttpError::new(&url, HttpFailure::Redirects(MAX_REDIRECTS)))
}

/// Returns the headers for a request to `url`. After a redirect to another origin, credentials are left out because
/// they are meant for the first host.
fn headers(http_request: &HttpRequest<'_>, url: &Url) -> HeaderMap {
    let mut headers = http_request.headers.clone();
    if url.origin() != http_request.url.origin() {
        headers.remove(header::AUTHORIZATION);
        headers.remove(header::COOKIE);
    }
    if let Some(access) = http_request.access {
        access.add_to(url, &mut headers);
    }
    headers
}

fn target(url: &Url, response: &reqwest::Response) -> Result<Url, HttpError> {
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let mut next = location
        .and_then(|location| url.join(location).ok())
        .ok_or_else(|| HttpError::new(url, HttpFailure::RedirectTarget))?;
    // An absolute target in the same origin does not repeat the user and password of the URL.
    if next.origin() == url.origin() && next.username().is_empty() && next.password().is_none() {
        // Only URLs without a host cannot have a user. They have no origin in common with others.
        let _ = next.set_username(url.username());
        let _ = next.set_password(url.password());
    }
    Ok(next)
}

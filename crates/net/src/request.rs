//! Requests with their redirects, and responses that are read within limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{self, HeaderMap, HeaderValue};
use tokio::time::{Instant, timeout};
use url::Url;

use super::budget::{Exhausted, MAX_BUFFERED_BYTES, Reservation};
use super::follow::follow;
use super::{
    AddressPolicy, HttpClient, HttpError, HttpFailure, HttpSettings, StreamAccess, TransferLimits,
    check_address,
};

/// Maximum buffer in bytes that is allocated for a body by its announced length, because a larger announcement is not
/// trusted. A segment of audio fits; for a larger body, the buffer grows by doubling. At half this value, some segments
/// are copied once more; at twice this value, servers that announce much and send little cost more memory.
const MAX_PREALLOCATED_BYTES: usize = 256 * 1024;

/// Maximum number of bytes of the response to a POST that are read so that its connection can be reused. Receivers
/// respond with a few hundred bytes. A longer response closes the connection: at half this value, more receivers need a
/// new handshake for each message; at twice this value, more bytes are read for nothing.
const MAX_DRAINED_BYTES: usize = 64 * 1024;

/// A request: URL, address policy, headers, and the access of the stream that it belongs to.
#[derive(Debug, Clone)]
pub struct HttpRequest<'a> {
    pub(super) url: &'a Url,
    pub(super) policy: &'a AddressPolicy,
    pub(super) headers: HeaderMap,
    pub(super) access: Option<&'a StreamAccess>,
}

impl<'a> HttpRequest<'a> {
    /// Creates a request to `url`. Its address and those of redirects must be admitted by `policy`.
    pub fn new(url: &'a Url, policy: &'a AddressPolicy) -> Self {
        Self { url, policy, headers: HeaderMap::new(), access: None }
    }

    /// Sends the headers and cookies of a stream with the request, and keeps the cookies that the responses set.
    #[must_use]
    pub fn access(mut self, access: &'a StreamAccess) -> Self {
        self.access = Some(access);
        self
    }

    /// Returns the URL.
    #[must_use]
    pub fn url(&self) -> &'a Url {
        self.url
    }

    /// Adds a header. An invalid value is ignored.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Requests an uncompressed transfer, for content that is compressed already.
    #[must_use]
    pub fn identity(self) -> Self {
        self.header(header::ACCEPT_ENCODING, "identity")
    }
}

/// The response to a request: status and headers, and a body that is still to be read.
#[derive(Debug)]
pub struct ServerResponse {
    response: reqwest::Response,
    url: Url,
    started_at: Instant,
    bytes: u64,
    read_timeout: Duration,
    rate_grace: Duration,
    min_bytes_per_second: u64,
}

/// The response to a POST, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostResponse {
    /// Status code.
    pub status: u16,
    /// Text of the header `Retry-After`: seconds or an HTTP date; `None` if it is missing.
    pub retry_after: Option<String>,
}

impl HttpClient {
    /// Sends a GET request, follows redirects, and returns the response if its status is a success or 304.
    ///
    /// # Errors
    /// Each [`HttpFailure`] except those of reading the body (`TooSlow`, `TooLarge`, `Busy`). No response within
    /// `time_limit` is [`HttpFailure::Timeout`].
    pub async fn get(
        &self,
        http_request: HttpRequest<'_>,
        time_limit: Duration,
    ) -> Result<ServerResponse, HttpError> {
        match timeout(time_limit, self.follow(&http_request)).await {
            Ok(response) => response,
            Err(_) => Err(HttpError::new(http_request.url, HttpFailure::Timeout(time_limit.as_secs_f64()))),
        }
    }

    /// Sends a GET request and reads the whole response within `limits`. A 304 has an empty body.
    ///
    /// # Errors
    /// Each [`HttpFailure`].
    pub async fn fetch(
        &self,
        http_request: HttpRequest<'_>,
        limits: TransferLimits,
    ) -> Result<(ServerResponse, Bytes), HttpError> {
        let url = http_request.url;
        let all = async {
            let mut response = self.follow(&http_request).await?;
            let body = response.read(limits.bytes, self.budget.reservation()).await?;
            Ok((response, body))
        };
        match timeout(limits.total, all).await {
            Ok(done) => done,
            Err(_) => Err(HttpError::new(url, HttpFailure::Timeout(limits.total.as_secs_f64()))),
        }
    }

    /// POSTs a body and returns the response with any status. A redirect is not followed, so that the body reaches no
    /// other server.
    ///
    /// # Errors
    /// [`HttpFailure::Scheme`], [`HttpFailure::Refused`], [`HttpFailure::Connect`], [`HttpFailure::Broken`];
    /// [`HttpFailure::Timeout`] without a response within `time_limit`.
    pub async fn post(
        &self,
        http_request: HttpRequest<'_>,
        body: Bytes,
        time_limit: Duration,
    ) -> Result<PostResponse, HttpError> {
        let fail = |reason| HttpError::new(http_request.url, reason);
        check_address(http_request.url, http_request.policy).map_err(fail)?;
        let request = self
            .client_for(http_request.url, http_request.policy)
            .post(http_request.url.clone())
            .headers(http_request.headers)
            .body(body);
        // One deadline for the headers and the body, so that a receiver that sends its body slowly does not delay the
        // next message.
        let deadline = Instant::now() + time_limit;
        let mut response = match tokio::time::timeout_at(deadline, request.send()).await {
            Ok(sent) => sent.map_err(|error| HttpError::from_reqwest(http_request.url, &error))?,
            Err(_) => return Err(fail(HttpFailure::Timeout(time_limit.as_secs_f64()))),
        };
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let post_response = PostResponse { status: response.status().as_u16(), retry_after };
        // A connection can be reused only after its response was read. A long response is not worth reading for that.
        let mut unread = MAX_DRAINED_BYTES;
        while let Ok(Ok(Some(chunk))) = tokio::time::timeout_at(deadline, response.chunk()).await {
            match unread.checked_sub(chunk.len()) {
                Some(rest) => unread = rest,
                None => break,
            }
        }
        Ok(post_response)
    }

    /// Counts bytes derived from a response, such as its decrypted form, against the budget of the client until they
    /// are dropped.
    ///
    /// # Errors
    /// [`HttpFailure::Busy`] if the budget has no space for `bytes` within 10 s.
    pub async fn hold(&self, bytes: Bytes) -> Result<Bytes, HttpFailure> {
        let mut reservation = self.budget.reservation();
        reservation.extend_to(bytes.len()).await.map_err(busy)?;
        Ok(reservation.hold(bytes))
    }

    async fn follow(&self, http_request: &HttpRequest<'_>) -> Result<ServerResponse, HttpError> {
        let client_for = |url: &Url| self.client_for(url, http_request.policy);
        let (response, url) = follow(http_request, client_for).await?;
        let status = response.status();
        if status.is_success() || status == reqwest::StatusCode::NOT_MODIFIED {
            return Ok(ServerResponse::new(response, url, &self.settings));
        }
        Err(HttpError::new(&url, HttpFailure::Status(status.as_u16())))
    }
}

fn busy(_: Exhausted) -> HttpFailure {
    HttpFailure::Busy(MAX_BUFFERED_BYTES >> 20)
}

impl ServerResponse {
    fn new(response: reqwest::Response, url: Url, settings: &HttpSettings) -> Self {
        Self {
            response,
            url,
            started_at: Instant::now(),
            bytes: 0,
            read_timeout: settings.read_timeout,
            rate_grace: settings.rate_grace,
            min_bytes_per_second: settings.min_bytes_per_second,
        }
    }

    /// Returns the URL that the response came from, after redirects.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the status: a success, or 304.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Returns the text of a header, or `None` if it is missing or not ASCII.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Returns true if the response has a header whose name begins with `prefix`, which must be in lower case.
    pub(super) fn has_header_prefix(&self, prefix: &str) -> bool {
        self.response.headers().keys().any(|name| name.as_str().starts_with(prefix))
    }

    /// Returns the next bytes of the body, or `None` at its end. The future can be dropped while it waits.
    ///
    /// # Errors
    /// [`HttpFailure::Timeout`] if no byte arrives for [`HttpSettings::read_timeout`], [`HttpFailure::TooSlow`] below
    /// the minimum rate, [`HttpFailure::Broken`] if the body ends before its announced length.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        let fail = |url: &Url, reason| Err(HttpError::new(url, reason));
        let chunk = match timeout(self.read_timeout, self.response.chunk()).await {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(error)) => return Err(HttpError::from_reqwest(&self.url, &error)),
            Err(_) => return fail(&self.url, HttpFailure::Timeout(self.read_timeout.as_secs_f64())),
        };
        let Some(chunk) = chunk else { return Ok(None) };
        self.bytes = self.bytes.saturating_add(chunk.len() as u64);
        // An average since the start, so that one pause does not fail an otherwise fast transfer.
        let elapsed = self.started_at.elapsed();
        if elapsed > self.rate_grace
            && (self.bytes as f64) < elapsed.as_secs_f64() * self.min_bytes_per_second as f64
        {
            return fail(&self.url, HttpFailure::TooSlow(self.min_bytes_per_second));
        }
        Ok(Some(chunk))
    }

    /// Reads the body, which may have at most `limit` bytes. `reservation` is extended to its length, and is released
    /// when the body is dropped.
    async fn read(&mut self, limit: u64, mut reservation: Reservation) -> Result<Bytes, HttpError> {
        let too_large = |url: &Url| HttpError::new(url, HttpFailure::TooLarge(limit));
        let announced = self.response.content_length().unwrap_or_default();
        // Fails before the body is transferred. The loop counts too: compressed and chunked bodies announce no length.
        if announced > limit {
            return Err(too_large(&self.url));
        }
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let announced =
            usize::try_from(announced).unwrap_or(MAX_PREALLOCATED_BYTES).min(MAX_PREALLOCATED_BYTES);
        let mut body = BytesMut::with_capacity(announced.max(first.len()));
        let mut next = Some(first);
        while let Some(chunk) = next {
            if (body.len() as u64).saturating_add(chunk.len() as u64) > limit {
                return Err(too_large(&self.url));
            }
            // Reserved as the bytes arrive, so that a server cannot occupy the budget by announcing a large body.
            let reserved = reservation.extend_to(body.len() + chunk.len()).await;
            reserved.map_err(|exhausted| HttpError::new(&self.url, busy(exhausted)))?;
            body.extend_from_slice(&chunk);
            next = self.chunk().await?;
        }
        Ok(reservation.hold(body.freeze()))
    }
}

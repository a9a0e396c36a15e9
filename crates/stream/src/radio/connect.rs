//! Connects to a station: requests its URL, resolves playlists and returns the response body.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use tokio::time::timeout;
use url::Url;

use super::RadioSettings;
use super::error::RadioError;
use super::icy::{IcyHeader, IcySplitter};
use super::list;
use refrain_net::{AddressPolicy, HttpRequest, StreamingClient};

/// Maximum nesting depth of playlists that refer to playlists. Station directories link to a PLS, which links to an
/// M3U: depth two. At half this value, such links fail; at twice this value, a cycle costs more requests, up to
/// [`MAX_REQUESTS`].
const MAX_DEPTH: u32 = 3;

/// Maximum number of HTTP requests per connection attempt, over all playlists and their entries. At half this value, a
/// playlist whose first four servers are full fails; at twice this value, a cycle of playlists costs 20 requests in
/// each attempt.
const MAX_REQUESTS: usize = 10;

/// An open connection to a station or file.
#[derive(Debug)]
pub(super) struct Connection {
    response: reqwest::Response,
    pub(super) splitter: IcySplitter,
    /// Body bytes that were read together with the `ICY 200 OK` header; `None` if none exist, or after
    /// [`Connection::chunk`] has returned them.
    first: Option<Bytes>,
    host: String,
    read_timeout: Duration,
    /// Length of the body in bytes if the URL is a file; `None` for a station.
    pub(super) file_bytes: Option<u64>,
}

/// Response headers that describe a station.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Station {
    /// Name of the station (`icy-name`); `None` if the server does not send it.
    pub name: Option<String>,
    /// Declared media type (`Content-Type`); `None` if the server does not send it.
    pub content_type: Option<String>,
}

/// Result of one request: a stream or a playlist.
enum StationResponse {
    Station(Box<Connection>, Station),
    /// A playlist. Contains its URLs.
    List(Vec<Url>),
}

/// Connects to the stream at `url`. If `url` is a playlist, tries its URLs in order and returns the first stream.
pub(super) async fn connect(
    client: &StreamingClient,
    url: &Url,
    settings: &RadioSettings,
) -> Result<(Box<Connection>, Station), RadioError> {
    let host = || url.host_str().unwrap_or_default().to_owned();
    let none = |reason: &str| RadioError::NoEntry { host: host(), reason: reason.to_owned() };
    let mut failure = none("no entries found");
    let mut to_try = vec![(url.clone(), 0)];
    for _ in 0..MAX_REQUESTS {
        let Some((url, depth)) = to_try.pop() else { break };
        match request_url(client, &url, settings).await {
            Ok(StationResponse::Station(connection, station)) => return Ok((connection, station)),
            Ok(StationResponse::List(_)) if depth == MAX_DEPTH => {
                failure = none("playlists are nested too deeply");
            }
            // The URLs are added in reverse, because the last element of `to_try` is tried first.
            Ok(StationResponse::List(entries)) => {
                to_try.extend(entries.into_iter().rev().map(|url| (url, depth + 1)));
            }
            // A transient error takes precedence over a permanent one: it makes the caller retry.
            Err(error) if error.is_transient() || !failure.is_transient() => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}

/// Requests `url` and classifies the response as a station, a file or a playlist.
async fn request_url(
    client: &StreamingClient,
    url: &Url,
    settings: &RadioSettings,
) -> Result<StationResponse, RadioError> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let unreachable =
        |reason: &str| RadioError::Unreachable { host: host.clone(), reason: reason.to_owned() };
    let request = HttpRequest::new(url, &settings.policy).access(&settings.access).identity();
    let request = client.get(request.header(HeaderName::from_static("icy-metadata"), "1"));
    let response = match timeout(settings.response_timeout, request).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(unreachable(&error.reason.to_string())),
        Err(_) => {
            let seconds = settings.response_timeout.as_secs_f64();
            return Err(unreachable(&format!("no response within {seconds:.0} s")));
        }
    };
    let status = response.status();
    if !status.is_success() {
        return Err(RadioError::Status { host, status: status.as_u16() });
    }
    let text = |name: &str| field(response.headers(), name);
    let station = Station { name: text("icy-name"), content_type: text(CONTENT_TYPE.as_str()) };
    let interval = text("icy-metaint").and_then(|value| value.trim().parse().ok());
    // The oldest servers respond with `ICY 200 OK`, which the client reads as HTTP/0.9 without headers.
    let old = response.version() == reqwest::Version::HTTP_09;
    let file_bytes = file_length(response.headers());
    let base = response.url().clone();
    let splitter = IcySplitter::new(interval);
    let read_timeout = settings.read_timeout;
    let mut connection =
        Connection { response, splitter, first: None, host: host.clone(), read_timeout, file_bytes };
    let kind = station.content_type.as_deref();
    // The URL after redirects is used: stations redirect from a page to a playlist and from a `.pls` to the audio.
    if list::is_list(&base, kind) {
        let text = timeout(settings.response_timeout, connection.read_list());
        let text = text.await.map_err(|_| unreachable("playlist not complete within the time limit"))??;
        return entries(&text, &base, &settings.policy).map(StationResponse::List);
    }
    if let Some(kind) = kind.filter(|kind| is_no_audio(kind)) {
        return Err(RadioError::NotAudio { host, kind: kind.to_owned() });
    }
    if old {
        connection.read_old_header().await?;
    }
    Ok(StationResponse::Station(Box::new(connection), station))
}

/// Returns the URLs of the playlist `text` that `policy` permits. Fails if `policy` refuses all of them, or if `text`
/// is an HLS playlist.
fn entries(text: &str, base: &Url, policy: &AddressPolicy) -> Result<Vec<Url>, RadioError> {
    let host = base.host_str().unwrap_or_default().to_owned();
    if list::is_hls(text) {
        return Err(RadioError::NotAudio { host, kind: "an HLS playlist".to_owned() });
    }
    let (mut found, mut refused) = (list::entries(text, base), None);
    // Literal addresses are checked before the request, because the HTTP client checks addresses only when it resolves
    // a name.
    found.retain(|url| match refrain_net::check_address(url, policy) {
        Ok(()) => true,
        Err(failure) => {
            refused = Some(failure.to_string());
            false
        }
    });
    match refused {
        Some(reason) if found.is_empty() => Err(RadioError::NoEntry { host, reason }),
        _ => Ok(found),
    }
}

/// Returns the length of a file in bytes, or `None` for a station. A file has a `Content-Length` and no `icy-` headers.
/// A few stations announce an enormous length for players that require one, but they do not support range requests.
fn file_length(headers: &HeaderMap) -> Option<u64> {
    /// Length in bytes from which a response counts as a file only if the server supports range requests.
    const MAX_WITHOUT_RANGES: u64 = 2_000_000_000;
    let bytes = field(headers, CONTENT_LENGTH.as_str())?.parse().ok()?;
    let ranges =
        field(headers, ACCEPT_RANGES.as_str()).is_some_and(|unit| unit.eq_ignore_ascii_case("bytes"));
    let station = headers.keys().any(|name| name.as_str().starts_with("icy-"));
    (!station && (ranges || bytes < MAX_WITHOUT_RANGES)).then_some(bytes)
}

impl Connection {
    /// Returns the next bytes of the body. Fails if no byte arrives within `read_timeout`, or if the body has ended.
    pub(super) async fn chunk(&mut self) -> Result<Bytes, RadioError> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let host = || self.host.clone();
        match timeout(self.read_timeout, self.response.chunk()).await {
            Ok(Ok(Some(bytes))) => Ok(bytes),
            Ok(Ok(None)) => Err(RadioError::Closed { host: self.host.clone() }),
            Ok(Err(error)) => Err(RadioError::Unreachable { host: host(), reason: cause(&error) }),
            Err(_) => Err(RadioError::Silent { host: host(), read_timeout: self.read_timeout }),
        }
    }

    /// Reads the body as the text of a playlist. Fails if it has more than [`list::MAX_BYTES`] bytes.
    async fn read_list(&mut self) -> Result<String, RadioError> {
        let mut body = Vec::new();
        loop {
            match self.chunk().await {
                Ok(bytes) => body.extend_from_slice(&bytes),
                Err(RadioError::Closed { .. }) => return Ok(String::from_utf8_lossy(&body).into_owned()),
                Err(error) => return Err(error),
            }
            // Audio that is declared as a playlist would otherwise be collected without end.
            if body.len() > list::MAX_BYTES {
                let reason = format!("it is longer than {} bytes", list::MAX_BYTES);
                return Err(RadioError::NoEntry { host: self.host.clone(), reason });
            }
        }
    }

    /// Removes the `ICY 200 OK` header from the start of the body. The client parses such a response as HTTP/0.9, in
    /// which everything is body.
    async fn read_old_header(&mut self) -> Result<(), RadioError> {
        let mut body = Vec::new();
        loop {
            match IcyHeader::read(&body) {
                Ok(Some(header)) => {
                    self.splitter = IcySplitter::new(header.interval);
                    self.first =
                        Some(Bytes::from(body).slice(header.length..)).filter(|rest| !rest.is_empty());
                    return Ok(());
                }
                Ok(None) => body.extend_from_slice(&self.chunk().await?),
                Err(()) => {
                    let kind = "a response that is neither HTTP nor ICY".to_owned();
                    return Err(RadioError::NotAudio { host: self.host.clone(), kind });
                }
            }
        }
    }
}

fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
    Some(text).filter(|text| !text.is_empty())
}

/// Returns true if the `Content-Type` is certainly not audio. Other types are accepted, because much audio is sent as
/// `application/octet-stream` or with a wrong type.
fn is_no_audio(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    ["text/html", "text/xml", "json", "image/"].iter().any(|other| kind.contains(other))
}

/// Returns the message of the innermost error. The message of `error` itself contains the URL, which can contain
/// credentials.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if cause.is::<reqwest::Error>() { "transfer interrupted".to_owned() } else { cause.to_string() }
}

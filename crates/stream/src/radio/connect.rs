//! Connects to a station: requests its URL, resolves playlists and returns the response body.

use std::collections::HashSet;

use reqwest::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use tokio::time::timeout;
use url::Url;

use super::RadioSettings;
use super::charset::StationCharset;
use super::connection::{Connection, ListText};
use super::error::RadioError;
use super::icy::IcySplitter;
use super::list::{self, ListFormat};
use super::settings::Station;
use crate::sniff::DocumentKind;
use refrain_net::{AddressPolicy, HttpRequest, StreamingClient};

/// Maximum nesting depth of playlists that refer to playlists. Station directories link to a PLS, which links to an
/// M3U: depth two. At half this value, such links fail; at twice this value, a chain of playlists costs more requests,
/// up to [`MAX_REQUESTS`].
const MAX_DEPTH: u32 = 3;

/// Maximum number of HTTP requests per connection attempt, over all playlists and their entries. At half this value, a
/// playlist whose first four servers are full fails; at twice this value, playlists that refer to many others cost 20
/// requests in each attempt.
const MAX_REQUESTS: usize = 10;

/// Result of a connection attempt.
pub(super) enum Opened {
    /// The connection to a station or file.
    Station(Box<Connection>, Station),
    /// The URL of an HLS playlist.
    Hls(Url),
}

/// Result of one request: a stream or a playlist.
enum StationResponse {
    Station(Box<Connection>, Station),
    /// A playlist. Contains its URLs.
    List(Vec<Url>),
    Hls,
}

/// Connects to the stream at `url`. If `url` is a playlist, tries its URLs in order and returns the first stream.
pub(super) async fn connect(
    client: &StreamingClient,
    url: &Url,
    settings: &RadioSettings,
) -> Result<Opened, RadioError> {
    let host = || url.host_str().unwrap_or_default().to_owned();
    let none = |reason: &str| RadioError::NoEntry { host: host(), reason: reason.to_owned() };
    let mut failure = none("no entries found");
    // A playlist can contain itself or a playlist that refers back to it.
    let mut seen = HashSet::from([url.clone()]);
    let mut to_try = vec![(url.clone(), 0)];
    for _ in 0..MAX_REQUESTS {
        let Some((url, depth)) = to_try.pop() else { break };
        let error = match request_url(client, &url, settings).await {
            Ok(StationResponse::Station(connection, station)) => {
                return Ok(Opened::Station(connection, station));
            }
            Ok(StationResponse::Hls) => return Ok(Opened::Hls(url)),
            Ok(StationResponse::List(_)) if depth == MAX_DEPTH => none("playlists are nested too deeply"),
            Ok(StationResponse::List(entries)) if entries.is_empty() => continue,
            Ok(StationResponse::List(mut entries)) => {
                entries.retain(|url| seen.insert(url.clone()));
                let is_cycle = entries.is_empty();
                // The URLs are added in reverse, because the last element of `to_try` is tried first.
                to_try.extend(entries.into_iter().rev().map(|url| (url, depth + 1)));
                if !is_cycle {
                    continue;
                }
                none("its entries refer back to playlists that were already read")
            }
            Err(error) => error,
        };
        // A transient error takes precedence over a permanent one: it makes the caller retry.
        if error.is_transient() || !failure.is_transient() {
            failure = error;
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
    let response = request(client, url, settings, &host).await?;
    let text = |name: &str| field(response.headers(), name);
    let mut station = Station { name: text("icy-name"), content_type: text(CONTENT_TYPE.as_str()) };
    let mut interval = text("icy-metaint").and_then(|value| value.trim().parse().ok());
    // The oldest servers respond with `ICY 200 OK`, which the client reads as HTTP/0.9 without headers.
    let old = response.version() == reqwest::Version::HTTP_09;
    let file_bytes = file_length(response.headers());
    let base = response.url().clone();
    let mut connection = Connection::new(response, host.clone(), settings.read_timeout);
    connection.file_bytes = file_bytes;
    if old {
        let header = connection.read_old_header().await?;
        (station, interval) = (header.station, header.interval);
    }
    let head = connection.head(settings.response_timeout).await?;
    let kind = station.content_type.as_deref();
    // The URL after redirects is used: stations redirect from a page to a playlist and from a `.pls` to the audio.
    if let Some(format) = ListFormat::of(&base, kind, &head) {
        let list = timeout(settings.response_timeout, connection.read_list()).await;
        let list = list.map_err(|_| RadioError::Unreachable {
            host,
            reason: "playlist not complete within the time limit".to_owned(),
        })?;
        return match list? {
            ListText::Hls => Ok(StationResponse::Hls),
            ListText::Whole(text) => {
                entries(&text, format, &base, &settings.policy).map(StationResponse::List)
            }
        };
    }
    if let Some(kind) = DocumentKind::of(kind, &head) {
        return Err(RadioError::Document { host, kind });
    }
    connection.splitter = IcySplitter::new(interval, StationCharset::new(kind, &host));
    Ok(StationResponse::Station(Box::new(connection), station))
}

/// Requests `url`. Fails if the response has not the status of a success. `host` is the host in errors.
async fn request(
    client: &StreamingClient,
    url: &Url,
    settings: &RadioSettings,
    host: &str,
) -> Result<reqwest::Response, RadioError> {
    let unreachable = |reason: String| RadioError::Unreachable { host: host.to_owned(), reason };
    let request = HttpRequest::new(url, &settings.policy).access(&settings.access).identity();
    let request = client.get(request.header(HeaderName::from_static("icy-metadata"), "1"));
    let response = match timeout(settings.response_timeout, request).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(unreachable(error.reason.to_string())),
        Err(_) => {
            let seconds = settings.response_timeout.as_secs_f64();
            return Err(unreachable(format!("no response within {seconds:.0} s")));
        }
    };
    let status = response.status();
    if !status.is_success() {
        return Err(RadioError::Status { host: host.to_owned(), status: status.as_u16() });
    }
    Ok(response)
}

/// Returns the URLs of the playlist `text` that `policy` permits. Fails if `policy` refuses all of them.
fn entries(
    text: &str,
    format: ListFormat,
    base: &Url,
    policy: &AddressPolicy,
) -> Result<Vec<Url>, RadioError> {
    let (mut found, mut refused) = (list::entries(text, format, base), None);
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
        Some(reason) if found.is_empty() => {
            Err(RadioError::NoEntry { host: base.host_str().unwrap_or_default().to_owned(), reason })
        }
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

/// Returns the value of a response header without spaces at its ends, or `None` if it is missing or empty.
fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
    Some(text).filter(|text| !text.is_empty())
}

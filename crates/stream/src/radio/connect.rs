//! From an address to a body of audio.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap};
use tokio::time::timeout;
use url::Url;

use super::RadioSettings;
use super::icy::{IcyHeader, IcySplitter};

/// Why there is no audio from a station. No text of it holds a query, user name or password.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RadioError {
    /// The address is none of HTTP.
    #[error("this is no address of a station; it must start with http:// or https://")]
    NoUrl,
    /// The server is not there, or refuses.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
    /// The server answers with an error.
    #[error("{host} answers with status {status}")]
    Status {
        /// The server.
        host: String,
        /// Its HTTP status.
        status: u16,
    },
    /// It is no audio.
    #[error("{host} gives {kind} and no audio; a playlist or page of a station holds the address to give")]
    NotAudio {
        /// The server.
        host: String,
        /// What it gives.
        kind: String,
    },
    /// Nothing came for too long.
    #[error("{host} was silent for {0:.0} s", .silence.as_secs_f64())]
    Silent {
        /// The server.
        host: String,
        /// For how long.
        silence: Duration,
    },
    /// The server ended the connection.
    #[error("{host} ended the connection")]
    Closed {
        /// The server.
        host: String,
    },
    /// Audio in a container that cannot be decoded.
    #[error("{host}: {reason}")]
    Undecodable {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
}

impl RadioError {
    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoUrl | Self::NotAudio { .. } => false,
            Self::Status { status, .. } => !matches!(status, 400 | 401 | 405 | 406 | 410),
            _ => true,
        }
    }
}

/// The connection to a station.
#[derive(Debug)]
pub(super) struct Connection {
    response: reqwest::Response,
    pub(super) splitter: IcySplitter,
    /// Bytes that came with the header of an old server.
    first: Option<Bytes>,
    host: String,
    silence: Duration,
}

/// What a station says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Station {
    /// Its name (`icy-name`).
    pub name: Option<String>,
    /// What it says to send (`Content-Type`).
    pub content_type: Option<String>,
}

/// Asks for the stream at `url`.
pub(super) async fn connect(
    client: &reqwest::Client,
    url: &Url,
    settings: &RadioSettings,
) -> Result<(Connection, Station), RadioError> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let request =
        client.get(url.clone()).header("icy-metadata", "1").header(ACCEPT_ENCODING, "identity").send();
    let unreachable = |reason: String| RadioError::Unreachable { host: host.clone(), reason };
    let response = match timeout(settings.patience, request).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(unreachable(cause(&error))),
        Err(_) => return Err(unreachable("it does not answer".to_owned())),
    };
    let status = response.status();
    if !status.is_success() {
        return Err(RadioError::Status { host, status: status.as_u16() });
    }
    let text = |name: &str| field(response.headers(), name);
    let station = Station { name: text("icy-name"), content_type: text(CONTENT_TYPE.as_str()) };
    if let Some(kind) = station.content_type.as_deref().filter(|kind| is_no_audio(kind)) {
        return Err(RadioError::NotAudio { host, kind: kind.to_owned() });
    }
    let interval = text("icy-metaint").and_then(|value| value.trim().parse().ok());
    let old = response.version() == reqwest::Version::HTTP_09;
    let splitter = IcySplitter::new(interval);
    let mut connection = Connection { response, splitter, first: None, host, silence: settings.silence };
    if old {
        connection.read_old_header().await?;
    }
    Ok((connection, station))
}

impl Connection {
    /// The next bytes of the body.
    pub(super) async fn chunk(&mut self) -> Result<Bytes, RadioError> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let host = || self.host.clone();
        match timeout(self.silence, self.response.chunk()).await {
            Ok(Ok(Some(bytes))) => Ok(bytes),
            Ok(Ok(None)) => Err(RadioError::Closed { host: self.host.clone() }),
            Ok(Err(error)) => Err(RadioError::Unreachable { host: host(), reason: cause(&error) }),
            Err(_) => Err(RadioError::Silent { host: host(), silence: self.silence }),
        }
    }

    /// Takes the header of a server that speaks no HTTP out of what the client took for a body.
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
                    let kind = "something that is not HTTP".to_owned();
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

/// Kinds that are pages and lists for sure; much audio is sent as `application/octet-stream` or worse.
fn is_no_audio(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    ["text/html", "text/xml", "json", "mpegurl", "scpls", "image/"].iter().any(|other| kind.contains(other))
}

/// The innermost reason, which holds no address.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if cause.is::<reqwest::Error>() { "the transfer broke off".to_owned() } else { cause.to_string() }
}

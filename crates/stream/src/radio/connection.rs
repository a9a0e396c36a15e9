//! An open connection to a station or a file.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use super::charset::StationCharset;
use super::error::RadioError;
use super::icy::{IcyHeader, IcySplitter};
use super::list;
use crate::sniff::{self, DOCUMENT_HEAD_BYTES};

/// Number of bytes at the start of a response by which text is distinguished from audio. At half this value, audio that
/// begins like text is mistaken for a document more often; at twice this value, a station that begins slowly starts
/// later.
const MIN_HEAD_BYTES: usize = 64;

/// An open connection to a station or file.
#[derive(Debug)]
pub(super) struct Connection {
    response: reqwest::Response,
    pub(super) splitter: IcySplitter,
    /// Body bytes that were read already: after the `ICY 200 OK` header, or to recognize the content. `None` if none
    /// exist, or after [`Connection::chunk`] has returned them.
    first: Option<Bytes>,
    host: String,
    read_timeout: Duration,
    /// Length of the body in bytes if the URL is a file; `None` for a station.
    pub(super) file_bytes: Option<u64>,
}

/// Text of a playlist.
pub(super) enum ListText {
    /// The whole text.
    Whole(String),
    /// The text contains tags of HLS. It was not read to its end.
    Hls,
}

impl Connection {
    /// Creates a connection whose body has not been read.
    pub(super) fn new(response: reqwest::Response, host: String, read_timeout: Duration) -> Self {
        let splitter = IcySplitter::new(None, StationCharset::default());
        Self { response, splitter, first: None, host, read_timeout, file_bytes: None }
    }

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

    /// Reads the start of the body until its content can be recognized: a few bytes of audio, or up to
    /// [`DOCUMENT_HEAD_BYTES`] of text within `limit` after the first byte. [`Self::chunk`] returns these bytes again.
    pub(super) async fn head(&mut self, limit: Duration) -> Result<Bytes, RadioError> {
        let mut head = self.chunk().await?.to_vec();
        let until = Instant::now() + limit;
        loop {
            let is_text = sniff::text_of(&head).is_some();
            if head.len() >= if is_text { DOCUMENT_HEAD_BYTES } else { MIN_HEAD_BYTES } {
                break;
            }
            match timeout_at(until, self.chunk()).await {
                Ok(Ok(bytes)) => head.extend_from_slice(&bytes),
                // A document may end early. The next read returns an error of the connection again.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        let head = Bytes::from(head);
        self.first = Some(head.clone());
        Ok(head)
    }

    /// Reads the body as the text of a playlist, up to the first tag of HLS. Fails if it has more than
    /// [`list::MAX_BYTES`] bytes.
    pub(super) async fn read_list(&mut self) -> Result<ListText, RadioError> {
        let mut body = Vec::new();
        loop {
            let bytes = match self.chunk().await {
                Ok(bytes) => bytes,
                Err(RadioError::Closed { .. }) => {
                    return Ok(ListText::Whole(String::from_utf8_lossy(&body).into_owned()));
                }
                Err(error) => return Err(error),
            };
            // A tag can be divided between two pieces. The text before them is not searched again.
            let from = body.len().saturating_sub(list::HLS_TAG.len());
            body.extend_from_slice(&bytes);
            // HLS playlists can be large, and their tags are in the first lines.
            if list::is_hls(body.get(from..).unwrap_or_default()) {
                return Ok(ListText::Hls);
            }
            // Text without an end would otherwise be collected without end.
            if body.len() > list::MAX_BYTES {
                let reason = format!("it is longer than {} bytes", list::MAX_BYTES);
                return Err(RadioError::NoEntry { host: self.host.clone(), reason });
            }
        }
    }

    /// Removes the `ICY 200 OK` header from the start of the body and returns it. The client parses such a response as
    /// HTTP/0.9, in which everything is body.
    pub(super) async fn read_old_header(&mut self) -> Result<IcyHeader, RadioError> {
        let mut body = Vec::new();
        loop {
            match IcyHeader::read(&body) {
                Ok(Some(header)) => {
                    // SHOUTcast responds with a status of 400 if it is full, and with 401 if the source is offline.
                    if let Some(reason) = header.error {
                        return Err(RadioError::Unreachable { host: self.host.clone(), reason });
                    }
                    let rest = Bytes::from(body).slice(header.length..);
                    self.first = Some(rest).filter(|rest| !rest.is_empty());
                    return Ok(header);
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

/// Returns the message of the innermost error. The message of `error` itself contains the URL, which can contain
/// credentials.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if cause.is::<reqwest::Error>() { "transfer interrupted".to_owned() } else { cause.to_string() }
}

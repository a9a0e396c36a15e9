//! Fetches single resources: initialization sections, keys, and byte ranges; decrypts media.

use std::sync::Arc;

use bytes::Bytes;
use refrain_net::{Backoff, HttpError, HttpFailure, HttpRequest, TransferLimits};
use tokio::time::{Instant, sleep};
use url::Url;

use super::fetch::Fetcher;
use super::fetch_error::{FetchError, server};
use super::range::{first_offset, part, with_range};
use crate::delivery::InitSection;
use crate::hls::key::{KEY_BYTES, decrypt};
use crate::hls::playlist::{ByteRange, Encryption, Map};
use crate::hls::sample_aes::{self, SampleKey};
use crate::sniff::DocumentKind;

/// Largest response to a key request, bytes. The limit is above the 16 bytes of a key, so that a short error page is
/// received whole and reported as "not a 16-byte key" instead of as too large.
const MAX_KEY_BYTES: u64 = 4096;

/// Maximum number of requests of a key whose server responds with something else. At half this value, one wrong response
/// loses the segments of `key_pause`; at twice this value, the segments after it wait twice as long.
const MAX_KEY_TRIES: u32 = 3;

impl Fetcher {
    /// Returns an initialization section. If `is_sample_encrypted` is true, its encrypted tracks are declared like clear
    /// ones, because the samples of the segments are decrypted.
    pub(super) async fn section(
        &self,
        map: &Arc<Map>,
        is_sample_encrypted: bool,
    ) -> Result<Arc<InitSection>, FetchError> {
        let fetch = async {
            let key = match map.encryption.as_deref() {
                // This method encrypts only samples, so a section is clear.
                Some(Encryption::SampleAes { .. }) => None,
                encryption => self.key_of(encryption).await?,
            };
            let bytes = self.resource(&map.url, map.range).await?;
            let mut bytes = self.clear(bytes, key, 0, None).await?;
            if is_sample_encrypted {
                bytes = sample_aes::clear_init(&bytes).into();
            }
            Ok(Arc::new(InitSection { bytes }))
        };
        let key = (Arc::clone(map), is_sample_encrypted);
        self.sections.get(&key, async { fetch.await.map_err(|fetch_error| (fetch_error, None)) }).await
    }

    /// Returns the key of a segment or initialization section; `None` for clear media.
    pub(super) async fn key_of(
        &self,
        encryption: Option<&Encryption>,
    ) -> Result<Option<MediaKey>, FetchError> {
        match encryption {
            None => Ok(None),
            Some(Encryption::Unsupported(method)) => {
                Err(FetchError::Undecryptable(format!("the encryption method {method} is not supported")))
            }
            Some(Encryption::Aes128 { key, iv }) => {
                let key = self.keys.get(key, self.fetch_key(key)).await?;
                Ok(Some(MediaKey { key, iv: *iv, whole_segments: true }))
            }
            Some(Encryption::SampleAes { key, iv }) => {
                let key = self.keys.get(key, self.fetch_key(key)).await?;
                Ok(Some(MediaKey { key, iv: *iv, whole_segments: false }))
            }
        }
    }

    /// Decrypts a segment or initialization section. `number` is the media sequence number, from which the IV follows if
    /// the playlist has none. `init` is the initialization section of a segment; `None` without one.
    pub(super) async fn clear(
        &self,
        bytes: Bytes,
        key: Option<MediaKey>,
        number: u64,
        init: Option<&InitSection>,
    ) -> Result<Bytes, FetchError> {
        let Some(MediaKey { key, iv, whole_segments }) = key else { return Ok(bytes) };
        let clear = if whole_segments {
            decrypt(&bytes, key, iv, number)
                .ok_or_else(|| FetchError::Undecryptable("wrong key or damaged segment".to_owned()))?
        } else {
            let key = SampleKey { key, iv: iv.unwrap_or_else(|| u128::from(number).to_be_bytes()) };
            let clear = sample_aes::decrypt(&bytes, init.map(|init| &init.bytes[..]), &key);
            Bytes::from(clear.map_err(FetchError::Undecryptable)?)
        };
        // The encrypted copy is released first, so that the memory budget never includes both copies.
        drop(bytes);
        self.client.hold(clear).await.map_err(|_| FetchError::NoMemory)
    }

    /// Fetches a key. If the server of the key is down, this fails at once, and the segment is retried as long as it is
    /// listed. Any other failure is cached for `key_pause`, so that other segments do not wait for the same missing key.
    async fn fetch_key(&self, url: &Url) -> Result<[u8; KEY_BYTES], (FetchError, Option<Instant>)> {
        let limits = TransferLimits { bytes: MAX_KEY_BYTES, ..self.settings.segment };
        let until = || Some(Instant::now() + self.settings.key_pause);
        let mut backoff = Backoff::new(self.settings.retry);
        loop {
            let missing = match self.client.fetch(self.request(url), limits).await {
                Ok((_, body)) => match <[u8; KEY_BYTES]>::try_from(&body[..]) {
                    Ok(key) => return Ok(key),
                    Err(_) => format!("the response of {} is not a 16-byte key", server(url)),
                },
                Err(error) if is_outage(&error) => return Err((FetchError::KeyServer(error), None)),
                Err(error) => {
                    self.note_expiry(&error);
                    // Without the path, because each segment can have another key.
                    format!("the key cannot be fetched from {}: {}", server(url), error.reason)
                }
            };
            let pause = backoff.next();
            if backoff.tries() >= MAX_KEY_TRIES {
                return Err((FetchError::Undecryptable(missing), until()));
            }
            self.shared.count(|status| status.retries += 1);
            sleep(pause).await;
        }
    }

    /// Fetches a resource or a byte range of it.
    pub(super) async fn resource(&self, url: &Url, range: Option<ByteRange>) -> Result<Bytes, FetchError> {
        let http_request = with_range(self.request(url), range);
        let (response, body) =
            self.client.fetch(http_request, self.settings.segment).await.map_err(|error| {
                self.note_expiry(&error);
                FetchError::Http(error)
            })?;
        let body = match range {
            None => body,
            Some(range) => part(&body, range, first_offset(&response)).ok_or_else(|| {
                FetchError::Http(HttpError::new(
                    url,
                    HttpFailure::Broken("the response does not contain the requested byte range".to_owned()),
                ))
            })?,
        };
        // Servers deliver error pages with the status 200. Media can declare any type, so only the content counts.
        if body.trim_ascii_start().is_empty() {
            return Err(FetchError::NotMedia("an empty response".to_owned()));
        }
        match DocumentKind::of(None, &body) {
            Some(kind) => Err(FetchError::NotMedia(format!("{kind} in place of media"))),
            None => Ok(body),
        }
    }

    /// Returns the request for a key or for media, which are not compressed.
    fn request<'a>(&'a self, url: &'a Url) -> HttpRequest<'a> {
        HttpRequest::new(url, &self.policy).access(&self.settings.access).identity()
    }

    /// Notifies the poller of expired URLs (status 403 or 410), so that it resolves the master playlist again.
    fn note_expiry(&self, error: &HttpError) {
        if matches!(error.status(), Some(403 | 410)) {
            self.shared.expired.notify_one();
        }
    }
}

/// Key and initialization vector of a segment or initialization section. It has no `Debug`, because the key is secret.
#[derive(Clone, Copy)]
pub(super) struct MediaKey {
    key: [u8; KEY_BYTES],
    /// `None` if the media sequence number is the initialization vector.
    iv: Option<[u8; 16]>,
    /// True if whole segments are encrypted, false if single audio frames are.
    whole_segments: bool,
}

/// Returns true if a server is down, overloaded or unreachable, so that the same request can succeed seconds later.
fn is_outage(error: &HttpError) -> bool {
    match error.reason {
        HttpFailure::Status(status) => matches!(status, 408 | 425 | 429 | 500..),
        HttpFailure::Connect(_)
        | HttpFailure::Timeout(_)
        | HttpFailure::TooSlow(_)
        | HttpFailure::Busy(_)
        | HttpFailure::Broken(_) => true,
        _ => false,
    }
}

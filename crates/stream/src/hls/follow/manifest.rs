//! Loading of DASH manifests, which become media playlists (see [`dash`](crate::dash)).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use refrain_net::{HttpRequest, ServerResponse, ShownUrl, TransferLimits};
use reqwest::header;
use url::Url;

use super::parse::{on_thread, parse_manifest};
use super::range::{first_offset, part, with_range};
use super::resolve::{Loaded, Loader, Rendition, with_validators};
use crate::dash::{LoadedMpd, MAX_INDEX_BYTES, MpdError, Presentation, SegmentIndex, TimeSource, http_date};
use crate::hls::playlist::{ByteRange, Playlist, epoch_seconds};
use crate::hls::status::HlsError;

/// Size and time limits of a request for the time. A response has a date of 30 bytes. At half the size, nothing
/// changes; at half the time, overloaded time servers are not used; at twice the time, a time server that does not
/// respond delays the first segment by 10 s.
const TIME_LIMITS: TransferLimits = TransferLimits { bytes: 4096, total: Duration::from_secs(5) };

/// Largest accepted `Age` of a response, seconds. The date of a response in a cache is older by its age. At half or
/// twice this value, nothing changes for live manifests, which caches keep for seconds.
const MAX_AGE_SECONDS: f64 = 86_400.0;

impl Loader {
    /// Returns the playlist of a representation. Loads the manifest, the time and the segment index first, if they are
    /// due.
    pub(super) async fn load_presentation(
        &self,
        rendition: &Rendition,
        presentation: &Arc<Presentation>,
    ) -> Result<Loaded, HlsError> {
        if let Some(due) = presentation.due(&rendition.url) {
            let request = self.request(&due.url);
            let request = with_validators(request, due.etag.as_deref(), due.modified.as_deref());
            match self.update(request).await {
                Ok(Some(loaded)) => presentation.update(loaded),
                Ok(None) => presentation.not_modified(),
                Err(error) => {
                    presentation.failed();
                    return Err(error);
                }
            }
        }
        self.synchronize(presentation).await;
        let label = rendition.label.as_deref().unwrap_or_default();
        while let Some(key) = presentation.missing_index(label) {
            let index = self.segment_index(&key).await?;
            presentation.store_index(key, index);
        }
        let list = if presentation.is_recorded() {
            // The URLs of all segments of a recording take milliseconds.
            let (presentation, label) = (Arc::clone(presentation), label.to_owned());
            on_thread(move || presentation.playlist(&label)).await.unwrap_or(Ok(None))
        } else {
            presentation.playlist(label)
        };
        let list = list.map_err(|error| manifest_error(&rendition.url, error))?;
        Ok(list.map_or(Loaded::NotModified, |list| Loaded::Playlist(Box::new(Playlist::Media(list)))))
    }

    /// Loads a newer manifest. Returns `None` if it is unchanged.
    async fn update(&self, request: HttpRequest<'_>) -> Result<Option<LoadedMpd>, HlsError> {
        let (response, body) = self.client.fetch(request, self.settings.playlist).await?;
        if response.status() == 304 {
            return Ok(None);
        }
        if !crate::dash::is_mpd(&body) {
            return Err(manifest_error(response.url(), MpdError::NotAManifest));
        }
        self.manifest(&response, body).await.map(Some)
    }

    /// Parses the manifest of a response.
    pub(super) async fn manifest(
        &self,
        response: &ServerResponse,
        body: Bytes,
    ) -> Result<LoadedMpd, HlsError> {
        let url = response.url();
        let mpd = parse_manifest(body, url).await.map_err(|error| manifest_error(url, error))?;
        let own = |name| response.header(name).map(str::to_owned);
        Ok(LoadedMpd {
            mpd,
            url: url.clone(),
            etag: own(header::ETAG),
            modified: own(header::LAST_MODIFIED),
            date: date_of(response),
            loaded: unix_now(),
        })
    }

    /// Reads the clock of the server, if that is due. Errors are logged only: the date of the manifest's response is
    /// used until the next attempt.
    async fn synchronize(&self, presentation: &Presentation) {
        for source in presentation.time_sources() {
            let (url, is_body) = match &source {
                TimeSource::Body(url) => (url, true),
                TimeSource::Header(url) => (url, false),
            };
            let request = self.request(url).identity();
            let before = unix_now();
            let time = match self.client.fetch(request, TIME_LIMITS).await {
                Ok((_, body)) if is_body => {
                    std::str::from_utf8(&body).ok().and_then(|text| epoch_seconds(text.trim()))
                }
                Ok((response, _)) => date_of(&response),
                Err(error) => {
                    tracing::debug!(url = %ShownUrl::from(url), %error, "cannot read the clock of the server");
                    continue;
                }
            };
            if let Some(time) = time {
                // The server created the response about halfway through the request.
                return presentation.measured(time - (before + unix_now()) / 2.0);
            }
            tracing::debug!(url = %ShownUrl::from(url), "the response of the time source contains no date");
        }
    }

    /// Fetches a segment index.
    async fn segment_index(&self, (url, range): &(Url, ByteRange)) -> Result<SegmentIndex, HlsError> {
        if range.length > MAX_INDEX_BYTES {
            return Err(manifest_error(url, MpdError::Index("it is larger than 1 MiB")));
        }
        let request = with_range(self.request(url).identity(), Some(*range));
        let (response, body) = self.client.fetch(request, self.settings.segment).await?;
        let bytes = part(&body, *range, first_offset(&response));
        let bytes = bytes.ok_or(MpdError::Index("the response does not contain the requested byte range"));
        let index = bytes.and_then(|bytes| SegmentIndex::parse(&bytes, range.offset));
        index.map_err(|error| manifest_error(url, error))
    }

    /// Returns true if the newest segment of a representation can be loaded.
    pub(super) async fn probe_presentation(&self, label: &str, presentation: &Presentation) -> bool {
        let Some((url, range)) = presentation.newest_segment(label) else { return false };
        self.can_fetch(&url, range).await
    }
}

pub(super) fn manifest_error(url: &Url, error: MpdError) -> HlsError {
    HlsError::Manifest { url: url.into(), error }
}

/// Returns the time of a response by the clock of its server, seconds since 1970.
fn date_of(response: &ServerResponse) -> Option<f64> {
    let date = http_date(response.header(header::DATE)?)?;
    let age = response.header(header::AGE).and_then(|age| age.trim().parse::<f64>().ok());
    // Half a second more, because the date has whole seconds.
    Some(date + 0.5 + age.filter(|age| (0.0..=MAX_AGE_SECONDS).contains(age)).unwrap_or_default())
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

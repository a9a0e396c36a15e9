//! Resolution of the entry URL to a media playlist, and loading of playlists.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header;
use tokio::time::Instant;
use url::Url;

use super::manifest::manifest_error;
use super::pace::ReloadTarget;
use super::parse::parse_response;
use super::range::with_range;
use crate::dash::{LoadedMpd, MpdError, Presentation, is_mpd};
use crate::hls::playlist::{ByteRange, MediaPlaylist, Playlist, Variables};
use crate::hls::rendition::{self, ChosenRendition};
use crate::hls::settings::HlsSettings;
use crate::hls::status::HlsError;
use refrain_net::{AddressPolicy, HttpClient, HttpRequest, ShownUrl, TransferLimits};

/// Loads playlists, and resolves the entry URL to a media playlist.
#[derive(Debug, Clone)]
pub(super) struct Loader {
    pub(super) client: HttpClient,
    pub(super) policy: AddressPolicy,
    pub(super) settings: Arc<HlsSettings>,
}

/// The media playlist that is followed.
#[derive(Debug, Clone)]
pub(super) struct Rendition {
    pub(super) url: Url,
    /// Name of the rendition for display; `None` if the entry URL itself is the media playlist.
    pub(super) label: Option<String>,
    /// Variables of the master playlist, which the media playlist can import; `None` without a master playlist.
    variables: Option<Arc<Variables>>,
    /// The presentation of which this is a representation; `None` for HLS.
    pub(super) presentation: Option<Arc<Presentation>>,
    etag: Option<String>,
    modified: Option<String>,
}

impl Rendition {
    /// Creates a rendition whose playlist was not loaded yet.
    pub(super) fn new(url: Url, label: Option<String>, variables: Option<Arc<Variables>>) -> Self {
        Self { url, label, variables, presentation: None, etag: None, modified: None }
    }

    /// Discards the validators (`ETag` and `Last-Modified`) of the last load, so that the next load returns the
    /// playlist even if it is unchanged.
    pub(super) fn forget(&mut self) {
        (self.etag, self.modified) = (None, None);
    }
}

/// Result of a load.
#[derive(Debug)]
pub(super) enum Loaded {
    Playlist(Box<Playlist>),
    /// The response is a DASH manifest in place of a playlist.
    Manifest(Box<LoadedMpd>),
    NotModified,
}

/// Result of a resolution.
#[derive(Debug)]
pub(super) enum Resolved {
    /// The entry URL is a media playlist. The source uses this playlist and does not load it again, because its URL may
    /// be valid only once; `None` if it is unchanged.
    Media(Rendition, Option<Box<MediaPlaylist>>),
    /// The entry URL is a master playlist with these renditions, at least one, in order of preference, and these
    /// variables.
    Master(Vec<ChosenRendition>, Arc<Variables>),
    /// The entry URL is a DASH manifest, which the route takes out.
    Manifest(Option<Box<LoadedMpd>>),
}

impl Loader {
    /// Loads the playlist at the URL `entry`, which is a master or media playlist.
    pub(super) async fn resolve(&self, entry: &Url) -> Result<Resolved, HlsError> {
        let mut own = Rendition::new(entry.clone(), None, None);
        match self.load(&mut own, None).await? {
            Loaded::Playlist(list) => match *list {
                Playlist::Media(list) => Ok(Resolved::Media(own, Some(Box::new(list)))),
                Playlist::Master(master) => {
                    let HlsSettings { rendition: choice, language, .. } = &*self.settings;
                    let candidates = rendition::candidates(&master, choice, language.as_deref());
                    if candidates.is_empty() {
                        return Err(HlsError::NoRendition {
                            url: entry.into(),
                            wanted: rendition::choice_text(choice),
                            found: rendition::names(&master),
                        });
                    }
                    Ok(Resolved::Master(candidates, Arc::new(master.variables)))
                }
            },
            Loaded::Manifest(loaded) => Ok(Resolved::Manifest(Some(loaded))),
            Loaded::NotModified => Ok(Resolved::Media(own, None)),
        }
    }

    /// Returns true if the media playlist of `rendition` and its newest segment can be loaded.
    pub(super) async fn probe(&self, mut rendition: Rendition) -> bool {
        if let Some(presentation) = &rendition.presentation {
            let label = rendition.label.as_deref().unwrap_or_default();
            return self.probe_presentation(label, presentation).await;
        }
        let Ok(Loaded::Playlist(list)) = self.load(&mut rendition, None).await else { return false };
        let Playlist::Media(list) = *list else { return false };
        let Some(segment) = list.segments.iter().rev().find(|segment| !segment.gap) else { return false };
        self.can_fetch(&segment.url, segment.range).await
    }

    /// Returns true if a segment can be loaded.
    pub(super) async fn can_fetch(&self, url: &Url, range: Option<ByteRange>) -> bool {
        let request = with_range(self.request(url).identity(), range);
        self.client.fetch(request, self.settings.segment).await.is_ok()
    }

    /// Returns the request of a resource of the stream.
    pub(super) fn request<'a>(&'a self, url: &'a Url) -> HttpRequest<'a> {
        HttpRequest::new(url, &self.policy).access(&self.settings.access)
    }

    /// Loads a playlist, unless it is unchanged since the last load. If `block` is given, the load is a blocking
    /// reload: the server responds when the playlist contains the segment or part `block`. The URL of a blocking reload
    /// differs from the URL of the last response, so the validators of that response are not sent.
    pub(super) async fn load(
        &self,
        rendition: &mut Rendition,
        block: Option<ReloadTarget>,
    ) -> Result<Loaded, HlsError> {
        if let Some(presentation) = &rendition.presentation {
            return self.load_presentation(rendition, presentation).await;
        }
        let TransferLimits { bytes, total } = self.settings.playlist;
        let blocking = block.map(|wanted| with_query(&rendition.url, &directives(wanted)));
        let url = blocking.as_ref().unwrap_or(&rendition.url);
        let mut http_request = self.request(url);
        if block.is_none() {
            http_request =
                with_validators(http_request, rendition.etag.as_deref(), rendition.modified.as_deref());
        }
        // The server may delay the response to a blocking reload, so that time is added to the time limit of the
        // transfer.
        let total = total + block.map_or(Duration::ZERO, |wanted| wanted.wait);
        let started_at = Instant::now();
        let (response, body) = self.client.fetch(http_request, TransferLimits { bytes, total }).await?;
        tracing::trace!(url = %ShownUrl::from(url), status = response.status(), took = ?started_at.elapsed(), "playlist loaded");
        if response.status() == 304 {
            return Ok(Loaded::NotModified);
        }
        if is_mpd(&body) {
            // Only the entry URL can be a manifest.
            if rendition.label.is_some() {
                return Err(manifest_error(response.url(), MpdError::NotAPlaylist));
            }
            return Ok(Loaded::Manifest(Box::new(self.manifest(&response, body).await?)));
        }
        let encoding = response.header(header::CONTENT_ENCODING);
        let playlist = parse_response(body, response.url(), encoding, rendition.variables.clone())
            .await
            .map_err(|error| HlsError::Playlist { url: response.url().into(), error })?;
        let own = |name| response.header(name).map(str::to_owned);
        // Stored only after the playlist was parsed: a damaged response must be loaded again.
        (rendition.etag, rendition.modified) = (own(header::ETAG), own(header::LAST_MODIFIED));
        Ok(Loaded::Playlist(Box::new(playlist)))
    }
}

/// Adds the validators of the last response, so that the server returns 304 if the resource is unchanged.
pub(super) fn with_validators<'a>(
    mut request: HttpRequest<'a>,
    etag: Option<&str>,
    modified: Option<&str>,
) -> HttpRequest<'a> {
    for (name, value) in [(header::IF_NONE_MATCH, etag), (header::IF_MODIFIED_SINCE, modified)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    request
}

/// Returns the delivery directives of a blocking reload (RFC 8216bis section 6.2.5.2) as a query string.
fn directives(wanted: ReloadTarget) -> String {
    let part = wanted.part.map(|part| format!("&_HLS_part={part}")).unwrap_or_default();
    format!("_HLS_msn={}{part}", wanted.sequence)
}

/// Returns the URL with `more` appended to its query. The existing query is not changed.
fn with_query(url: &Url, more: &str) -> Url {
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&{more}"),
        _ => more.to_owned(),
    };
    let mut url = url.clone();
    url.set_query(Some(&query));
    url
}

//! From the URL that was given to a media playlist.

use std::time::Duration;

use reqwest::header;
use tokio::time::Instant;
use url::Url;

use super::pace::Wanted;
use crate::hls::playlist::{MediaPlaylist, Playlist, parse};
use crate::hls::rendition::{self, Chosen};
use crate::hls::settings::HlsSettings;
use crate::hls::status::HlsError;
use crate::http::{AddressPolicy, HttpClient, Limits, Question, ShownUrl};

/// Asks for playlists.
#[derive(Debug)]
pub(super) struct Loader {
    pub(super) client: HttpClient,
    pub(super) policy: AddressPolicy,
    pub(super) settings: std::sync::Arc<HlsSettings>,
}

/// The media playlist that is followed.
#[derive(Debug, Clone)]
pub(super) struct Rendition {
    pub(super) url: Url,
    /// `None`: the URL that was given is a media playlist itself.
    pub(super) label: Option<String>,
    etag: Option<String>,
    modified: Option<String>,
}

impl Rendition {
    /// Forgets what is known of its last load.
    pub(super) fn forget(&mut self) {
        (self.etag, self.modified) = (None, None);
    }
}

/// What a load gave.
#[derive(Debug)]
pub(super) enum Loaded {
    Playlist(Box<Playlist>),
    NotModified,
}

/// What a resolution gave.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) rendition: Rendition,
    /// Its playlist, if it came already: the URL may be good for one use only.
    pub(super) first: Option<MediaPlaylist>,
}

impl Loader {
    /// The media playlist behind `entry`.
    pub(super) async fn resolve(&self, entry: &Url) -> Result<Resolved, HlsError> {
        let mut own = Rendition { url: entry.clone(), label: None, etag: None, modified: None };
        match self.load(&mut own, None).await? {
            Loaded::Playlist(list) => match *list {
                Playlist::Media(list) => Ok(Resolved { rendition: own, first: Some(list) }),
                Playlist::Master(master) => {
                    let choice = &self.settings.rendition;
                    let Chosen { url, label } =
                        rendition::choose(&master, choice).ok_or_else(|| HlsError::NoRendition {
                            url: entry.into(),
                            wanted: format!("{choice:?}"),
                            found: rendition::names(&master),
                        })?;
                    let rendition = Rendition { url, label: Some(label), etag: None, modified: None };
                    Ok(Resolved { rendition, first: None })
                }
            },
            Loaded::NotModified => Ok(Resolved { rendition: own, first: None }),
        }
    }

    /// Loads a playlist, unless it is the same as the last time. `block`: what the server is to wait for. Such a question
    /// is of another URL than the last answer, so it comes without that one's ETag.
    pub(super) async fn load(
        &self,
        rendition: &mut Rendition,
        block: Option<Wanted>,
    ) -> Result<Loaded, HlsError> {
        let Limits { bytes, total } = self.settings.playlist;
        let blocking = block.map(|wanted| with_query(&rendition.url, &directives(wanted)));
        let url = blocking.as_ref().unwrap_or(&rendition.url);
        let mut question = Question::new(url, &self.policy);
        if block.is_none() {
            let known =
                [(header::IF_NONE_MATCH, &rendition.etag), (header::IF_MODIFIED_SINCE, &rendition.modified)];
            for (name, value) in known {
                if let Some(value) = value {
                    question = question.header(name, value);
                }
            }
        }
        let total = total + block.map_or(Duration::ZERO, |wanted| wanted.wait);
        let began = Instant::now();
        let (answer, body) = self.client.fetch(question, Limits { bytes, total }).await?;
        tracing::trace!(url = %ShownUrl::from(url), status = answer.status(), took = ?began.elapsed(), "playlist");
        if answer.status() == 304 {
            return Ok(Loaded::NotModified);
        }
        let playlist = parse(&body, answer.url())
            .map_err(|error| HlsError::Playlist { url: answer.url().into(), error })?;
        let own = |name| answer.header(name).map(str::to_owned);
        (rendition.etag, rendition.modified) = (own(header::ETAG), own(header::LAST_MODIFIED));
        Ok(Loaded::Playlist(Box::new(playlist)))
    }
}

/// Delivery directives of a blocking reload (RFC 8216bis section 6.2.5.2).
fn directives(wanted: Wanted) -> String {
    let part = wanted.part.map(|part| format!("&_HLS_part={part}")).unwrap_or_default();
    format!("_HLS_msn={}{part}", wanted.sequence)
}

/// The URL with more in its query; what is there stays as it is.
fn with_query(url: &Url, more: &str) -> Url {
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&{more}"),
        _ => more.to_owned(),
    };
    let mut url = url.clone();
    url.set_query(Some(&query));
    url
}

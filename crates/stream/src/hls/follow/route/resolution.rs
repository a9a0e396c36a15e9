//! Resolution of the entry URL to the renditions of a master playlist or of a DASH manifest.

use tokio::time::Instant;

use super::PlaylistRoute;
use crate::hls::follow::manifest::manifest_error;
use crate::hls::follow::resolve::Resolved;
use crate::hls::playlist::MediaPlaylist;
use crate::hls::rendition::ChosenRendition;
use crate::hls::settings::HlsSettings;
use crate::hls::status::HlsError;

/// Reason of a change of the rendition that no failure caused.
const NEWER_MASTER: &str = "a newer master playlist lists other renditions";

impl PlaylistRoute {
    /// Resolves the master playlist if no rendition is selected, or if the interval `resolve_every` has passed. Returns
    /// the media playlist if the resolution loaded it.
    pub(super) async fn resolve_if_due(&mut self) -> Result<Option<Box<MediaPlaylist>>, HlsError> {
        let since = self.resolved.map(|at| at.elapsed());
        let is_master = self.label.as_ref().is_none_or(Option::is_some);
        // The URLs of a manifest are new in each load of it.
        let is_master = is_master && self.presentation.is_none();
        let regular = is_master && since.is_some_and(|since| since >= self.loader.settings.resolve_every);
        if self.rendition.is_some() && !regular {
            return Ok(None);
        }
        if self.label.is_some() {
            self.shared.count(|status| status.resolutions += 1);
        }
        // Set before the request, so that the minimum pause between resolutions also applies after a failure.
        self.resolved = Some(Instant::now());
        let resolved = match self.resolve_entry().await {
            Ok(resolved) => resolved,
            // The current rendition can still be used, so this error does not interrupt the stream.
            Err(error) if self.rendition.is_some() => {
                self.shared.record_error(&error);
                return Ok(None);
            }
            Err(error) => {
                self.rendition = self.refused.take();
                return Err(error);
            }
        };
        let (rendition, first) = match resolved {
            Resolved::Media(rendition, first) => {
                self.candidates.clear();
                self.presentation = None;
                (Some(rendition), first)
            }
            Resolved::Master(candidates, variables) => {
                self.variables = variables;
                self.presentation = None;
                self.health.retain(&candidates);
                self.candidates = candidates;
                (self.preferred(), None)
            }
            // `resolve_entry` has set the candidates.
            Resolved::Manifest(_) => (self.preferred(), None),
        };
        if let Some(rendition) = rendition {
            self.select(rendition, NEWER_MASTER);
        }
        Ok(first)
    }

    /// Resolves the entry URL. If it is a DASH manifest, its representations become the candidates; the presentation
    /// continues the one of an earlier resolution.
    async fn resolve_entry(&mut self) -> Result<Resolved, HlsError> {
        let entry = self.entry.url();
        let mut resolved = self.loader.resolve(&entry).await?;
        if let Resolved::Manifest(loaded) = &mut resolved
            && let Some(loaded) = loaded.take()
        {
            let presentation = self.presentation.get_or_insert_default();
            let HlsSettings { rendition, language, .. } = &*self.loader.settings;
            let labels = presentation.begin(*loaded, rendition, language.as_deref());
            let labels = labels.map_err(|error| manifest_error(&entry, error))?;
            let candidates = labels.into_iter().map(|label| ChosenRendition { url: entry.clone(), label });
            self.candidates = candidates.collect();
            self.health.retain(&self.candidates);
        }
        Ok(resolved)
    }
}

//! Converts events to responses.

use std::collections::HashMap;
use std::sync::Arc;

use refrain_catalog::{Catalog, CatalogError, DetectionId, Track};

use super::event::{EventKind, StreamEvent};
use refrain_app::response::{Response, ResponseMatch, StreamFields};

/// Caches the tracks of the open airings.
pub struct Reporter {
    catalog: Arc<dyn Catalog>,
    known: HashMap<DetectionId, Track>,
}

impl Reporter {
    /// Creates a reporter with this catalog.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>) -> Self {
        Self { catalog, known: HashMap::new() }
    }

    /// Returns the track of an event, as it was when its airing was found. Returns `None` if the catalog does not
    /// contain it: then it was removed between the detection and this call.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails; the call may be repeated.
    pub async fn track(&mut self, event: &StreamEvent) -> Result<Option<Track>, CatalogError> {
        if !self.known.contains_key(&event.airing) {
            let found = self.catalog.by_numbers(&[event.detected.track]).await?;
            self.known.extend(found.into_iter().map(|track| (event.airing, track)));
        }
        Ok(match event.kind {
            EventKind::Final => self.known.remove(&event.airing),
            EventKind::Start | EventKind::Update => self.known.get(&event.airing).cloned(),
        })
    }
}

/// Returns the response for an event.
#[must_use]
pub fn response<'a>(event: &StreamEvent, asset_id: &'a str, track: &'a Track) -> Response<'a> {
    let in_stream = StreamFields {
        event: event.kind.as_str(),
        airing: event.airing.to_string(),
        epoch: event.epoch,
        clock: event.clock,
        clock_offset: event.clock_offset,
    };
    Response::new(asset_id, vec![ResponseMatch::new(&event.detected, track).in_stream(&in_stream)])
}

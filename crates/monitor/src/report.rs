//! Converts events to responses.

use std::collections::HashMap;
use std::sync::Arc;

use refrain_catalog::{Catalog, CatalogError, DetectionId, Track};

use super::event::{EventKind, StreamEvent};
use refrain_app::response::{Response, ResponseMatch, StreamFields};

/// Finds the tracks of events in the catalog, and caches the tracks of the open airings.
pub struct Reporter {
    catalog: Arc<dyn Catalog>,
    known: HashMap<DetectionId, Track>,
}

impl Reporter {
    /// Creates a reporter that reads tracks from this catalog.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>) -> Self {
        Self { catalog, known: HashMap::new() }
    }

    /// Returns the track of an event, as it was when the first event of its airing was reported. Returns `None` if the
    /// track was removed from the catalog before that.
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

/// Returns the response for an event. `asset_id` is the id of the stream in the response, and `track` is the track of
/// the event.
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

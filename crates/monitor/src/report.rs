//! Converts detections to responses.

use std::collections::HashMap;
use std::sync::Arc;

use refrain_app::response::{Response, ResponseMatch};
use refrain_catalog::{Catalog, CatalogError, Detection, DetectionId, Track};
use refrain_core::matching::live::EventKind;

/// Finds the tracks of detections in the catalog, and caches the tracks of the open airings.
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

    /// Returns the track of a detection, as it was in the catalog at the first call for this detection, even if the
    /// track was removed. Returns `None` if the catalog has no track with this number.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails; the call may be repeated.
    pub async fn track(&mut self, detection: &Detection) -> Result<Option<Track>, CatalogError> {
        if !self.known.contains_key(&detection.id) {
            let found = self.catalog.by_numbers(&[detection.detected.track]).await?;
            self.known.extend(found.into_iter().map(|track| (detection.id, track)));
        }
        Ok(match detection.kind {
            EventKind::Final => self.known.remove(&detection.id),
            EventKind::Start | EventKind::Update => self.known.get(&detection.id).cloned(),
        })
    }
}

/// Returns the response for a detection in a stream. `asset_id` is the id of the stream in the response, and `track` is
/// the track of the detection.
#[must_use]
pub fn response<'a>(detection: &Detection, asset_id: &'a str, track: &'a Track) -> Response<'a> {
    Response::new(asset_id, vec![ResponseMatch::in_stream(detection, track)])
}

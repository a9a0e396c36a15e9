//! API requests for the detections of a stream or of a track.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SecondsFormat};
use refrain_catalog::{
    Catalog, CatalogError, DetectionSource, PageCursor, StoredDetection, Stream, Track, TrackId, TrackNumber,
};
use refrain_service::streams::stream_asset_id;
use serde_json::{Value, json};

use super::Http;
use super::error::ApiError;
use super::extract::{ApiPath, ApiQuery};
use super::query::{PageQuery, TimeQuery, mark_text};

impl Http {
    /// Returns the catalog, or an error if it is not open yet.
    pub(super) fn catalog(&self) -> Result<&Arc<dyn Catalog>, ApiError> {
        self.service.catalog.get().ok_or(ApiError::CatalogNotOpen)
    }
}

/// `GET /v1/streams/{id}/detections`: a page of the detections in a stream.
pub(super) async fn of_stream(
    State(http): State<Http>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<TimeQuery>,
) -> Result<Json<Value>, ApiError> {
    let ((from, to), after, limit) = (query.times()?, query.mark()?, query.limit()?);
    let catalog = http.catalog()?;
    // An id without a row can be the name of an earlier session, whose row has been replaced.
    let stream = catalog.journal().stream(&id).await?;
    let source = stream.as_ref().map_or_else(|| DetectionSource::Stream(id), detected_in);
    let page = catalog.journal().detections_between(&source, from, to, after, limit).await?;
    page_of(&**catalog, &page, limit, StoredDetection::cursor_by_start).await
}

/// `GET /v1/detections/{track}`: a page of the detections of a track.
pub(super) async fn of_track(
    State(http): State<Http>,
    ApiPath(track): ApiPath<String>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Value>, ApiError> {
    let (before, limit) = (query.mark()?, query.limit()?);
    let track: TrackId = track.parse().map_err(|_| {
        ApiError::Bad(format!("invalid track id {track:?}; `refrain tracks list` shows the ids"))
    })?;
    let catalog = http.catalog()?;
    let page = catalog.journal().detections_of_track(track, before, limit).await?;
    page_of(&**catalog, &page, limit, StoredDetection::cursor_by_first_seen).await
}

async fn page_of(
    catalog: &dyn Catalog,
    page: &[StoredDetection],
    limit: u32,
    mark: impl Fn(&StoredDetection) -> PageCursor,
) -> Result<Json<Value>, ApiError> {
    // A full page may be followed by another one. A page that is exactly the last one costs one empty request.
    let next = page.last().filter(|_| page.len() == limit as usize).map(|last| mark_text(mark(last)));
    Ok(Json(json!({"detections": detections_json(catalog, page).await?, "next": next})))
}

/// Returns the source under which the journal stores the detections of the stream: the name of the stream's session, or
/// the id of the stream if its session has no name.
pub(super) fn detected_in(stream: &Stream) -> DetectionSource {
    DetectionSource::Stream(stream_asset_id(stream).to_owned())
}

/// Returns the detections `page` in the format of the API, each with the id, title, artist and ISRC of its track.
pub(super) async fn detections_json(
    catalog: &dyn Catalog,
    page: &[StoredDetection],
) -> Result<Vec<Value>, CatalogError> {
    let mut numbers: Vec<_> = page.iter().map(|stored| stored.detection.detected.track).collect();
    // The track of a song that plays all day is read once per page.
    numbers.sort_unstable();
    numbers.dedup();
    let tracks = if numbers.is_empty() { Vec::new() } else { catalog.by_numbers(&numbers).await? };
    let tracks: HashMap<_, _> = tracks.into_iter().map(|track| (track.number, track)).collect();
    Ok(page.iter().map(|stored| row(stored, &tracks)).collect())
}

fn row(stored: &StoredDetection, tracks: &HashMap<TrackNumber, Track>) -> Value {
    let StoredDetection { detection, detected_in, track_id, .. } = stored;
    let detected = &detection.detected;
    let (source, name) = match detected_in {
        DetectionSource::Stream(id) => ("stream", id),
        DetectionSource::File(name) => ("file", name),
    };
    let metadata = tracks.get(&detected.track).map(|track| &track.metadata);
    let mut row = json!({
        "id": detection.id,
        source: name,
        "track": {
            "id": track_id.to_string(),
            "title": metadata.and_then(|metadata| metadata.title.as_deref()),
            "artist": metadata.and_then(|metadata| metadata.artist.as_deref()),
            "isrc": metadata.and_then(|metadata| metadata.isrc.as_deref()),
        },
        "start_seconds": detected.query_start,
        "end_seconds": detected.query_end,
        "reference_start_seconds": detected.reference_start,
        "speed": detected.speed,
        "pitch_cents": detected.pitch_cents,
        "false_positive_probability": detected.false_positive_probability,
        "is_final": detection.is_final(),
    });
    // Detections in files have no time of day: these fields would be relative to the first sample, and only repeat the
    // positions in seconds.
    if let (DetectionSource::Stream(_), Value::Object(row)) = (detected_in, &mut row) {
        row.insert("start".to_owned(), json!(time(detection.start_at())));
        row.insert("end".to_owned(), json!(time(detection.end_at())));
    }
    row
}

/// Formats a time in milliseconds since 1970 according to RFC 3339. Returns `None` if the time is out of range.
fn time(milliseconds: i64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(milliseconds)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

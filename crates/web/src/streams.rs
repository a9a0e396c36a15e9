//! API requests under `/v1/streams`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use refrain_catalog::{NewStream, StartOutcome, Stream, StreamFilter, worker_name};
use refrain_stream::GapReason;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Http;
use super::detections::{detected_in, detections_json};
use super::error::ApiError;
use super::extract::{ApiJson, ApiPath, ApiQuery};
use super::query::{StreamsQuery, now};
use refrain_monitor::{ActiveAlert, StreamHealth, StreamStatus, rfc3339};
use refrain_net::RequestHeaders;
use refrain_service::sessions::{EndCode, EndReason};
use refrain_service::streams::{ORIGIN_API, header_names, stored_headers};

/// Maximum length of an id, in characters. ARNs have about 80. Ids are parts of keys and file names, which are cut at
/// 200 bytes: at twice this value, two ids could have the same name there.
const MAX_ID_CHARS: usize = 200;

/// Maximum length of a URL, in bytes. Common servers accept this length in a request line, and refuse requests with
/// longer URLs. At half this value, some signed URLs are refused.
const MAX_URL_BYTES: usize = 8 * 1024;

/// A stream in the format of the API. Its URL can contain credentials and is never returned.
#[derive(Serialize)]
struct StreamRow<'a> {
    id: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    origin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    started_at: i64,
    updated_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'a str>,
    /// Deaths that count towards the quarantine of the stream: those of its worker processes or those of its decoder,
    /// whichever number is higher.
    deaths: u32,
    quarantined: bool,
    /// Names of the request headers. Their values can be secrets and are never returned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    header_names: Vec<String>,
}

impl<'a> From<&'a Stream> for StreamRow<'a> {
    fn from(stream: &'a Stream) -> Self {
        Self {
            id: &stream.id,
            state: stream.state.as_str(),
            reason: stream.reason.as_deref(),
            origin: &stream.origin,
            session: stream.session.as_deref(),
            started_at: stream.started_at,
            updated_at: stream.updated_at,
            ended_at: stream.ended_at,
            worker: stream.lease_owner.as_deref().map(worker_name),
            deaths: stream.max_deaths(),
            quarantined: stream.is_quarantined(),
            header_names: header_names(stream),
        }
    }
}

/// `GET /v1/streams`: a page of streams.
pub(super) async fn list(
    State(http): State<Http>,
    ApiQuery(query): ApiQuery<StreamsQuery>,
) -> Result<Json<Value>, ApiError> {
    let limit = query.limit()?;
    let filter = StreamFilter { over: query.all, origin: query.origin.clone(), ..StreamFilter::default() };
    let page = http.catalog()?.journal().streams(&filter, query.after.as_deref(), limit).await?;
    let rows: Vec<_> = page.iter().map(StreamRow::from).collect();
    let next = page.last().filter(|_| page.len() == limit as usize).map(|last| last.id.as_str());
    Ok(Json(json!({"streams": rows, "next": next})))
}

/// `GET /v1/streams/{id}`: the row of a stream, its current songs, and its status if this process follows the stream.
pub(super) async fn show(
    State(http): State<Http>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<Value>, ApiError> {
    let catalog = http.catalog()?;
    let stream = catalog.journal().stream(&id).await?.ok_or_else(|| unknown(&id))?;
    let open = catalog.journal().open_detections(&detected_in(&stream)).await?;
    let playing = detections_json(&**catalog, &open).await?;
    // Only the process that holds the lease has the status. Other processes answer with `null`.
    let followed = (http.service.statuses)().into_iter().find(|(followed, _)| *followed == id);
    Ok(Json(json!({
        "stream": StreamRow::from(&stream),
        "now_playing": playing,
        "followed": followed.map(|(_, status)| local_status(&status)),
    })))
}

/// Returns the part of the status that only the process that follows the stream has.
fn local_status(status: &StreamStatus) -> Value {
    json!({
        "state": status.state.name(),
        "reason": status.reason,
        "state_changes": status.state_changes,
        "lag_seconds": status.lag(),
        "heard_seconds": status.position,
        "queued_seconds": status.queued_seconds,
        "silence_seconds": status.decoder.silence_seconds,
        "missing_seconds": status.decoder.missing_seconds(),
        "dropped_seconds": status.decoder.gaps.of(GapReason::Dropped).seconds,
        "decode_errors": status.decoder.decode_errors,
        "last_error": status.source.last_error,
        "format": status.decoder.format.as_ref().map(|(codec, rate, channels)| {
            json!({ "codec": codec, "sample_rate": rate, "channels": channels })
        }),
        "rendition": status.source.rendition,
        "rendition_reason": status.source.rendition_reason,
        "health": status.health.as_ref().map(health_json),
    })
}

/// Returns the health of the audio. Numbers are rounded to a hundredth.
fn health_json(health: &StreamHealth) -> Value {
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    let snapshot = &health.snapshot;
    let alert = |alert: &ActiveAlert| {
        json!({
            "kind": alert.kind,
            "since": rfc3339(alert.since),
            "value": rounded(alert.reading.value),
            "threshold": alert.reading.threshold,
            "unit": alert.kind.unit(),
            "reason": alert.reading.reason,
        })
    };
    json!({
        "measured_seconds": rounded(snapshot.measured_seconds),
        "momentary_lufs": snapshot.momentary_lufs.map(rounded),
        "short_term_lufs": snapshot.short_term_lufs.map(rounded),
        "integrated_lufs": snapshot.integrated_lufs.map(rounded),
        "peak_dbfs": rounded(snapshot.peak_dbfs),
        "channel_dbfs": snapshot.channel_dbfs.map(rounded),
        "correlation": snapshot.correlation.map(rounded),
        "dc_offset": (snapshot.dc_offset * 10_000.0).round() / 10_000.0,
        "clipped_samples": snapshot.clipped_samples,
        "sample_rate": snapshot.format.map(|(rate, _)| rate),
        "channels": snapshot.format.map(|(_, channels)| channels),
        "format_changes": snapshot.format_changes,
        "alerts": health.alerts.iter().map(alert).collect::<Vec<_>>(),
    })
}

/// Body of `POST /v1/streams`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddStreamRequest {
    id: String,
    url: String,
    #[serde(default)]
    headers: RequestHeaders,
}

/// `POST /v1/streams`: adds a stream.
pub(super) async fn add(
    State(http): State<Http>,
    ApiJson(AddStreamRequest { id, url, headers }): ApiJson<AddStreamRequest>,
) -> Result<impl IntoResponse, ApiError> {
    if !(1..=MAX_ID_CHARS).contains(&id.chars().count()) {
        return Err(ApiError::Unprocessable(format!("id must have 1 to {MAX_ID_CHARS} characters")));
    }
    let parsed = url::Url::parse(&url).ok();
    let known = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https" | "udp"));
    if !known || url.len() > MAX_URL_BYTES {
        return Err(ApiError::Unprocessable(format!(
            "url must be an http, https or udp URL of at most {MAX_URL_BYTES} bytes"
        )));
    }
    let headers = stored_headers(&headers);
    let new = NewStream { id, url, headers, origin: ORIGIN_API.to_owned(), session: None, started_at: now() };
    let outcome = http.catalog()?.journal().start_stream(&new).await?;
    let (status, stream) = match outcome {
        StartOutcome::Started(stream) => (StatusCode::CREATED, stream),
        // The same request twice succeeds, so that clients can retry after a lost response.
        StartOutcome::Known(stream) if stream.url == new.url && stream.headers == new.headers => {
            (StatusCode::OK, stream)
        }
        StartOutcome::Known(stream) => {
            return Err(ApiError::Conflict(format!(
                "stream {:?} is {} already with another URL or other headers; stop it first",
                stream.id,
                stream.state.as_str()
            )));
        }
    };
    Ok((status, Json(json!({"stream": StreamRow::from(&stream)}))))
}

/// `DELETE /v1/streams/{id}`: stops a stream.
pub(super) async fn stop(
    State(http): State<Http>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let journal = http.catalog()?.journal();
    if journal.stream(&id).await?.is_none() {
        return Err(unknown(&id));
    }
    // If the stream has ended already, the request succeeds as well. No session is given, so the request ends the
    // current session of the stream.
    journal.end_stream(&id, None, Some(&EndReason::of(EndCode::ByOperator).text()), now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn unknown(id: &str) -> ApiError {
    ApiError::NotFound(format!("there is no stream {id:?}"))
}

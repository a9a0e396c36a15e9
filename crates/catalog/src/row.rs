//! Conversion of rows. Tables have the same columns in both databases, so one function per type reads the rows of both.

use std::str::FromStr;

use refrain_core::matching::Match;
use refrain_core::matching::live::EventKind;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row, Sqlite, Type};

use crate::journal::detection_state;
use crate::{
    CatalogError, Change, ChangeKind, ContentHash, Detection, DetectionId, DetectionSource, Metadata,
    NearDuplicate, ObjectAttempts, ObjectVersion, OutboxMessage, Rule, StoredDetection, Stream,
    StreamHeaders, StreamState, Track, TrackId, TrackNumber,
};

/// Stored `kind` of [`ChangeKind::Added`].
pub(crate) const ADDED: i16 = 1;
/// Stored `kind` of [`ChangeKind::Removed`].
pub(crate) const REMOVED: i16 = 2;
/// Stored `kind` of [`ChangeKind::Relabeled`].
pub(crate) const RELABELED: i16 = 3;

/// The columns that [`track`] reads.
macro_rules! track_columns {
    () => {
        "number, id, source, content, seconds, title, artist, album, isrc, label, vendor, upc, release_date, category, \
         extra, rule, added_at, removed_at"
    };
}
pub(crate) use track_columns;

/// The columns that [`stream`] reads.
macro_rules! stream_columns {
    () => {
        "id, url, headers, origin, session, state, state_detail, reason, epoch, clock_anchor, alerts, created_at, \
         started_at, updated_at, ended_at, lease_owner, lease_until, attempts, deaths, decoder_deaths, progress"
    };
}
pub(crate) use stream_columns;

/// The columns that [`detection`] reads, in the order in which both databases bind them.
macro_rules! detection_columns {
    () => {
        "id, kind, heard_in, track, track_id, query_start, query_end, start_at, end_at, reference_start, speed, \
         pitch_cents, false_positive_probability, matched_peaks, expected_peaks, first_seen, last_seen, is_final, \
         channel, state"
    };
}
pub(crate) use detection_columns;

/// The columns that [`message`] reads.
macro_rules! message_columns {
    () => {
        "id, detection, sink, key, payload, created_at, attempts, next_attempt_at, delivered_at, dead_at, last_error"
    };
}
pub(crate) use message_columns;

/// A type that both databases can store in a column.
pub(crate) trait Stored<'r>:
    Decode<'r, Postgres> + Type<Postgres> + Decode<'r, Sqlite> + Type<Sqlite>
{
}

impl<'r, T> Stored<'r> for T where T: Decode<'r, Postgres> + Type<Postgres> + Decode<'r, Sqlite> + Type<Sqlite>
{}

/// A row of either database.
pub(crate) trait StoredRow {
    /// Returns the value of the column with this name.
    fn column<'r, T: Stored<'r>>(&'r self, name: &str) -> Result<T, sqlx::Error>;
}

impl StoredRow for PgRow {
    fn column<'r, T: Stored<'r>>(&'r self, name: &str) -> Result<T, sqlx::Error> {
        self.try_get(name)
    }
}

impl StoredRow for SqliteRow {
    fn column<'r, T: Stored<'r>>(&'r self, name: &str) -> Result<T, sqlx::Error> {
        self.try_get(name)
    }
}

/// Converts all rows with `read`, one of the functions of this module.
pub(crate) fn all<R, T>(
    rows: &[R],
    read: impl Fn(&R) -> Result<T, sqlx::Error>,
) -> Result<Vec<T>, sqlx::Error> {
    rows.iter().map(read).collect()
}

/// Converts a row of `tracks`.
pub(crate) fn track(row: &impl StoredRow) -> Result<Track, sqlx::Error> {
    let extra: Option<&str> = row.column("extra")?;
    // The rule is validated again, because other programs can write to the database.
    let rule: Option<&str> = row.column("rule")?;
    Ok(Track {
        number: number(row.column("number")?)?,
        id: TrackId(row.column("id")?),
        source: row.column("source")?,
        content: ContentHash(row.column::<&[u8]>("content")?.try_into().map_err(damaged)?),
        seconds: row.column("seconds")?,
        metadata: Metadata {
            title: row.column("title")?,
            artist: row.column("artist")?,
            album: row.column("album")?,
            isrc: row.column("isrc")?,
            label: row.column("label")?,
            vendor: row.column("vendor")?,
            upc: row.column("upc")?,
            release_date: row.column("release_date")?,
            category: row.column("category")?,
            extra: extra.map(serde_json::from_str).transpose().map_err(damaged)?.unwrap_or_default(),
        },
        rule: rule.map(Rule::from_str).transpose().map_err(damaged)?,
        added_at: row.column("added_at")?,
        removed_at: row.column("removed_at")?,
    })
}

/// Converts a row of `near_duplicates`.
pub(crate) fn near_duplicate(row: &impl StoredRow) -> Result<NearDuplicate, sqlx::Error> {
    Ok(NearDuplicate {
        track: number(row.column("track")?)?,
        of: number(row.column("of")?)?,
        seconds: row.column("seconds")?,
    })
}

/// Converts a row of `changes`.
pub(crate) fn change(row: &impl StoredRow) -> Result<Change, sqlx::Error> {
    let position: i64 = row.column("position")?;
    let kind = match row.column("kind")? {
        ADDED => ChangeKind::Added,
        REMOVED => ChangeKind::Removed,
        RELABELED => ChangeKind::Relabeled,
        other => return Err(sqlx::Error::Decode(format!("change {position} has kind {other}").into())),
    };
    let track = number(row.column("track")?)?;
    Ok(Change { position: u64::try_from(position).map_err(damaged)?, track, kind })
}

/// Converts a row of `streams`.
pub(crate) fn stream(row: &impl StoredRow) -> Result<Stream, sqlx::Error> {
    let state: &str = row.column("state")?;
    let detail: Option<String> = row.column("state_detail")?;
    let headers: Option<String> = row.column("headers")?;
    Ok(Stream {
        id: row.column("id")?,
        url: row.column("url")?,
        headers: headers.map(StreamHeaders::new),
        origin: row.column("origin")?,
        session: row.column("session")?,
        state: StreamState::from_stored(state, detail.as_deref())
            .ok_or_else(|| sqlx::Error::Decode(format!("state {state:?}").into()))?,
        reason: row.column("reason")?,
        epoch: row.column("epoch")?,
        clock_anchor: row.column("clock_anchor")?,
        alerts: row.column("alerts")?,
        created_at: row.column("created_at")?,
        started_at: row.column("started_at")?,
        updated_at: row.column("updated_at")?,
        ended_at: row.column("ended_at")?,
        lease_owner: row.column("lease_owner")?,
        lease_until: row.column("lease_until")?,
        attempts: count(row.column("attempts")?)?,
        deaths: count(row.column("deaths")?)?,
        decoder_deaths: count(row.column("decoder_deaths")?)?,
        progress: row.column("progress")?,
    })
}

/// Converts a row of `object_attempts`.
pub(crate) fn object_attempts(row: &impl StoredRow) -> Result<ObjectAttempts, sqlx::Error> {
    Ok(ObjectAttempts {
        object: ObjectVersion {
            bucket: row.column("bucket")?,
            key: row.column("key")?,
            version: row.column("version")?,
        },
        attempts: count(row.column("attempts")?)?,
        updated_at: row.column("updated_at")?,
    })
}

/// Converts a row of `detections`.
pub(crate) fn detection(row: &impl StoredRow) -> Result<StoredDetection, sqlx::Error> {
    let kind: i16 = row.column("kind")?;
    let detected_in = DetectionSource::of(kind, row.column("heard_in")?);
    let last_seen = row.column("last_seen")?;
    let mut detection = detection_without_state(row)?;
    detection_state::read_into(&mut detection, row.column("state")?, last_seen);
    Ok(StoredDetection {
        detection,
        detected_in: detected_in.ok_or_else(|| sqlx::Error::Decode(format!("kind {kind}").into()))?,
        track_id: TrackId(row.column("track_id")?),
        channel: row.column("channel")?,
        first_seen: row.column("first_seen")?,
        last_seen,
    })
}

/// Converts the columns of `detections` that earlier versions of the program wrote too. The other fields of the result
/// get the values of an airing that follows its track along one straight line: a constant speed, no segments and no
/// missing audio.
fn detection_without_state(row: &impl StoredRow) -> Result<Detection, sqlx::Error> {
    let detected = Match {
        track: number(row.column("track")?)?,
        query_start: row.column("query_start")?,
        query_end: row.column("query_end")?,
        reference_start: row.column("reference_start")?,
        speed: row.column("speed")?,
        pitch_cents: row.column("pitch_cents")?,
        false_positive_probability: row.column("false_positive_probability")?,
        aligned_landmarks: 0,
        matched_peaks: count(row.column("matched_peaks")?)?,
        expected_peaks: count(row.column("expected_peaks")?)?,
        segments: Vec::new(),
    };
    let start_at: i64 = row.column("start_at")?;
    let is_final: bool = row.column("is_final")?;
    Ok(Detection {
        id: DetectionId(row.column("id")?),
        kind: if is_final { EventKind::Final } else { EventKind::Update },
        reference_end: detected.reference_end(),
        current_speed: detected.speed,
        origin: start_at as f64 / 1000.0 - detected.query_start,
        known_at: detected.query_end,
        clock: None,
        clock_offset: None,
        missing_seconds: 0.0,
        detected,
    })
}

/// Converts a row of `outbox`.
pub(crate) fn message(row: &impl StoredRow) -> Result<OutboxMessage, sqlx::Error> {
    Ok(OutboxMessage {
        id: row.column("id")?,
        detection: row.column::<Option<_>>("detection")?.map(DetectionId),
        sink: row.column("sink")?,
        key: row.column("key")?,
        payload: row.column("payload")?,
        created_at: row.column("created_at")?,
        attempts: count(row.column("attempts")?)?,
        next_attempt_at: row.column("next_attempt_at")?,
        delivered_at: row.column("delivered_at")?,
        dead_at: row.column("dead_at")?,
        last_error: row.column("last_error")?,
    })
}

/// Converts a stored track number.
pub(crate) fn number(stored: i64) -> Result<TrackNumber, sqlx::Error> {
    u32::try_from(stored).map(TrackNumber).map_err(damaged)
}

/// Converts a stored count of 32 bits.
pub(crate) fn count(stored: i64) -> Result<u32, sqlx::Error> {
    u32::try_from(stored).map_err(damaged)
}

fn damaged(reason: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(reason))
}

/// Returns the content of the `extra` column: [`Metadata::extra`] as JSON, or `None` if it is empty. `invalid` creates
/// the backend's error if the values cannot be encoded.
pub(crate) fn extra(
    metadata: &Metadata,
    invalid: impl FnOnce(String) -> CatalogError,
) -> Result<Option<String>, CatalogError> {
    // NULL instead of `{}` takes no space in the row.
    if metadata.extra.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(&metadata.extra);
    text.map(Some).map_err(|error| invalid(format!("free values of the metadata: {error}")))
}

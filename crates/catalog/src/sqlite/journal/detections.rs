//! Detections of tracks in streams and files.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::journal::{clamp_time, detection_state, text};
use crate::row::{self, detection_columns};
use crate::sqlite::SqliteCatalog;
use crate::{
    CatalogError, DetectionId, DetectionSource, Detections, NewOutboxMessage, PageCursor, StoredDetection,
    TrackId,
};

macro_rules! select_detections {
    ($rest:literal) => {
        concat!("SELECT ", detection_columns!(), " FROM detections ", $rest)
    };
}

#[async_trait]
impl Detections for SqliteCatalog {
    async fn record(
        &self,
        detection: &StoredDetection,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<bool, CatalogError> {
        if let Some(fault) = detection.fault().or_else(|| deliveries.iter().find_map(NewOutboxMessage::fault))
        {
            return Err(self.name.invalid(fault));
        }
        let mut transaction = self.begin().await?;
        let is_stored = self.record_in(&mut transaction, detection, deliveries, now).await?;
        self.commit(transaction).await?;
        Ok(is_stored)
    }

    async fn open_detections(
        &self,
        detected_in: &DetectionSource,
    ) -> Result<Vec<StoredDetection>, CatalogError> {
        let (kind, detected_in) = detected_in.parts();
        let query = sqlx::query(select_detections!(
            "WHERE kind = ?1 AND heard_in = ?2 AND is_final = 0 ORDER BY start_at, id"
        ));
        self.read_detections(query.bind(kind).bind(detected_in).fetch_all(&self.readers).await)
    }

    async fn abandoned_detections(
        &self,
        before: i64,
        limit: u32,
    ) -> Result<Vec<StoredDetection>, CatalogError> {
        let query = sqlx::query(select_detections!(
            "WHERE kind = 1 AND is_final = 0 AND last_seen < ?1 AND heard_in NOT IN \
             (SELECT coalesce(session, id) FROM streams WHERE ended_at IS NULL) ORDER BY start_at, id LIMIT ?2"
        ));
        self.read_detections(
            query.bind(clamp_time(before)).bind(i64::from(limit)).fetch_all(&self.readers).await,
        )
    }

    async fn recently_final_detections(
        &self,
        detected_in: &DetectionSource,
        since: i64,
        limit: u32,
    ) -> Result<Vec<StoredDetection>, CatalogError> {
        let (kind, detected_in) = detected_in.parts();
        let query = sqlx::query(select_detections!(
            "WHERE kind = ?1 AND heard_in = ?2 AND is_final = 1 AND last_seen >= ?3 ORDER BY last_seen DESC LIMIT ?4"
        ));
        let query = query.bind(kind).bind(detected_in).bind(clamp_time(since)).bind(i64::from(limit));
        self.read_detections(query.fetch_all(&self.readers).await)
    }

    async fn detections_between(
        &self,
        detected_in: &DetectionSource,
        from: i64,
        to: i64,
        after: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<StoredDetection>, CatalogError> {
        let (kind, detected_in) = detected_in.parts();
        // Without a cursor, the page starts before the lowest time and identity.
        let after = after.unwrap_or(PageCursor { at: i64::MIN, id: DetectionId(Uuid::nil()) });
        let rows = sqlx::query(select_detections!(
            "WHERE kind = ?1 AND heard_in = ?2 AND end_at > ?3 AND start_at < ?4 AND start_at >= max(?5, ?3 - \
             (SELECT end_at - start_at FROM detections WHERE kind = ?1 AND heard_in = ?2 \
             ORDER BY end_at - start_at DESC LIMIT 1)) \
             AND (start_at > ?5 OR id > ?6) ORDER BY start_at, id LIMIT ?7"
        ))
        .bind(kind)
        .bind(detected_in)
        .bind(clamp_time(from))
        .bind(clamp_time(to))
        .bind(after.at)
        .bind(after.id.0)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await;
        self.read_detections(rows)
    }

    async fn detections_of_track(
        &self,
        track: TrackId,
        before: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<StoredDetection>, CatalogError> {
        let before = before.unwrap_or(PageCursor { at: i64::MAX, id: DetectionId(Uuid::max()) });
        let rows = sqlx::query(select_detections!(
            "WHERE track_id = ?1 AND (first_seen, id) < (?2, ?3) ORDER BY first_seen DESC, id DESC LIMIT ?4"
        ))
        .bind(track.0)
        .bind(before.at)
        .bind(before.id.0)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await;
        self.read_detections(rows)
    }
}

impl SqliteCatalog {
    /// Stores a detection and its messages in a transaction. Returns false and stores nothing if the stored state is
    /// newer.
    pub(super) async fn record_in(
        &self,
        connection: &mut SqliteConnection,
        detection: &StoredDetection,
        messages: &[NewOutboxMessage],
        now: i64,
    ) -> Result<bool, CatalogError> {
        // Messages are added only with the state that they report: an outdated state must not be sent to sinks.
        let is_stored = self.upsert(&mut *connection, detection).await?;
        if is_stored {
            self.add_to_outbox(connection, Some(detection.detection.id), messages, now).await?;
        }
        Ok(is_stored)
    }

    async fn upsert(
        &self,
        connection: &mut SqliteConnection,
        stored: &StoredDetection,
    ) -> Result<bool, CatalogError> {
        let StoredDetection { detection, .. } = stored;
        let detected = &detection.detected;
        let (kind, detected_in) = stored.detected_in.parts();
        sqlx::query(concat!(
            "INSERT INTO detections (",
            detection_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) \
             ON CONFLICT (id) DO UPDATE SET track = excluded.track, track_id = excluded.track_id, \
             query_start = excluded.query_start, query_end = excluded.query_end, \
             start_at = excluded.start_at, end_at = excluded.end_at, \
             reference_start = excluded.reference_start, speed = excluded.speed, \
             pitch_cents = excluded.pitch_cents, \
             false_positive_probability = excluded.false_positive_probability, \
             matched_peaks = excluded.matched_peaks, expected_peaks = excluded.expected_peaks, \
             last_seen = excluded.last_seen, is_final = excluded.is_final, state = excluded.state \
             WHERE excluded.last_seen >= detections.last_seen \
             AND excluded.is_final >= detections.is_final RETURNING 1"
        ))
        // Stored as 16 bytes: the order of blobs is that of the UUIDs, which page cursors rely on.
        .bind(detection.id.0)
        .bind(kind)
        .bind(detected_in)
        .bind(i64::from(detected.track.0))
        .bind(stored.track_id.0)
        .bind(detected.query_start)
        .bind(detected.query_end)
        .bind(detection.start_at())
        .bind(detection.end_at())
        .bind(detected.reference_start)
        .bind(detected.speed)
        .bind(detected.pitch_cents)
        .bind(detected.false_positive_probability)
        .bind(i64::from(detected.matched_peaks))
        .bind(i64::from(detected.expected_peaks))
        .bind(stored.first_seen)
        .bind(stored.last_seen)
        .bind(detection.is_final())
        .bind(stored.channel.as_deref().map(text))
        .bind(detection_state::write(detection, stored.last_seen))
        .fetch_optional(connection)
        .await
        .map(|row| row.is_some())
        .map_err(|error| self.name.error(error))
    }

    fn read_detections(
        &self,
        rows: Result<Vec<SqliteRow>, sqlx::Error>,
    ) -> Result<Vec<StoredDetection>, CatalogError> {
        rows.and_then(|rows| row::all(&rows, row::detection)).map_err(|error| self.name.error(error))
    }
}

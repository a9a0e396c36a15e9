//! Detections of tracks in streams and files.

use async_trait::async_trait;
use uuid::Uuid;

use super::Statement;
use super::outbox::Messages;
use crate::journal::{clamp_time, detection_state, text};
use crate::postgres::PostgresCatalog;
use crate::postgres::transaction::Transaction;
use crate::row::{self, detection_columns};
use crate::{
    CatalogError, DetectionId, DetectionRecord, DetectionSource, Detections, NewOutboxMessage, PageCursor,
    StoredDetection, TrackId,
};

macro_rules! select_detections {
    ($rest:literal) => {
        concat!("SELECT ", detection_columns!(), " FROM refrain.detections ", $rest)
    };
}

/// Statement that inserts or updates a detection, whose columns are $1 to $20.
macro_rules! upsert {
    () => {
        concat!(
            "INSERT INTO refrain.detections AS known (",
            detection_columns!(),
            ") SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20 ",
            " ON CONFLICT (id) DO UPDATE SET track = excluded.track, track_id = excluded.track_id, \
             query_start = excluded.query_start, query_end = excluded.query_end, \
             start_at = excluded.start_at, end_at = excluded.end_at, \
             reference_start = excluded.reference_start, speed = excluded.speed, \
             pitch_cents = excluded.pitch_cents, \
             false_positive_probability = excluded.false_positive_probability, \
             matched_peaks = excluded.matched_peaks, expected_peaks = excluded.expected_peaks, \
             last_seen = excluded.last_seen, is_final = excluded.is_final, state = excluded.state \
             WHERE excluded.last_seen >= known.last_seen AND excluded.is_final >= known.is_final RETURNING 1"
        )
    };
}

/// The common table expression that adds the messages to the outbox if the detection was stored.
macro_rules! insert_messages {
    () => {
        "messages AS (INSERT INTO refrain.outbox (detection, sink, key, payload, created_at, next_attempt_at) \
         SELECT $1, sink, key, payload, $21, (extract(epoch FROM statement_timestamp()) * 1000)::bigint \
         FROM stored, unnest($22::text[], $23::text[], $24::text[]) WITH ORDINALITY AS new (sink, key, payload, n) \
         ORDER BY n ON CONFLICT (sink, key) DO NOTHING)"
    };
}

/// Stores a detection and its messages, and returns a row if the detection was stored. The statement can be retried,
/// because a second execution changes nothing.
const RECORD: &str =
    concat!("WITH stored AS (", upsert!(), "), ", insert_messages!(), " SELECT 1 FROM stored");

#[async_trait]
impl Detections for PostgresCatalog {
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
        // Each attempt binds the parameters again, so the arrays are built once, outside the closure.
        let messages = Messages::of(deliveries);
        let rows = self.rows(RECORD, |query| bind_detection(query, detection, &messages, now)).await?;
        Ok(!rows.is_empty())
    }

    async fn open_detections(
        &self,
        detected_in: &DetectionSource,
    ) -> Result<Vec<StoredDetection>, CatalogError> {
        let (kind, detected_in) = detected_in.parts();
        let sql =
            select_detections!("WHERE kind = $1 AND heard_in = $2 AND NOT is_final ORDER BY start_at, id");
        self.fetch_detections(sql, |query| query.bind(kind).bind(&detected_in)).await
    }

    async fn abandoned_detections(
        &self,
        before: i64,
        limit: u32,
    ) -> Result<Vec<StoredDetection>, CatalogError> {
        let sql = select_detections!(
            "WHERE kind = 1 AND NOT is_final AND last_seen < $1 AND heard_in NOT IN \
             (SELECT coalesce(session, id) FROM refrain.streams WHERE ended_at IS NULL) \
             ORDER BY start_at, id LIMIT $2"
        );
        self.fetch_detections(sql, |query| query.bind(clamp_time(before)).bind(i64::from(limit))).await
    }

    async fn recently_final_detections(
        &self,
        detected_in: &DetectionSource,
        since: i64,
        limit: u32,
    ) -> Result<Vec<StoredDetection>, CatalogError> {
        let (kind, detected_in) = detected_in.parts();
        let sql = select_detections!(
            "WHERE kind = $1 AND heard_in = $2 AND is_final AND last_seen >= $3 ORDER BY last_seen DESC LIMIT $4"
        );
        // The latest ones are selected, so that the limit cuts off those that are least likely to be detected again.
        let bind = |query: Statement| {
            query.bind(kind).bind(&detected_in).bind(clamp_time(since)).bind(i64::from(limit))
        };
        self.fetch_detections(sql, bind).await
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
        let sql = select_detections!(
            "WHERE kind = $1 AND heard_in = $2 AND end_at > $3 AND start_at < $4 \
             AND start_at >= greatest($5, $3 - (SELECT end_at - start_at FROM refrain.detections \
             WHERE kind = $1 AND heard_in = $2 ORDER BY end_at - start_at DESC LIMIT 1)) \
             AND (start_at > $5 OR id > $6) ORDER BY start_at, id LIMIT $7"
        );
        let bind = |query: Statement| {
            query
                .bind(kind)
                .bind(&detected_in)
                .bind(clamp_time(from))
                .bind(clamp_time(to))
                .bind(after.at)
                .bind(after.id.0)
                .bind(i64::from(limit))
        };
        self.fetch_detections(sql, bind).await
    }

    async fn detections_of_track(
        &self,
        track: TrackId,
        before: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<StoredDetection>, CatalogError> {
        // Without a cursor, the page starts after the highest time and identity.
        let before = before.unwrap_or(PageCursor { at: i64::MAX, id: DetectionId(Uuid::max()) });
        let sql = select_detections!(
            "WHERE track_id = $1 AND (first_seen, id) < ($2, $3) ORDER BY first_seen DESC, id DESC LIMIT $4"
        );
        let bind =
            |query: Statement| query.bind(track.0).bind(before.at).bind(before.id.0).bind(i64::from(limit));
        self.fetch_detections(sql, bind).await
    }
}

impl PostgresCatalog {
    /// Stores a detection and its messages in a transaction, unless the stored state is newer.
    pub(super) async fn record_in(
        &self,
        transaction: &mut Transaction,
        record: &DetectionRecord,
        now: i64,
    ) -> Result<(), CatalogError> {
        let messages = Messages::of(&record.messages);
        let statement = bind_detection(self.query(RECORD), &record.detection, &messages, now);
        let done = statement.execute(&mut **transaction).await;
        done.map(drop).map_err(|error| self.name.error(error))
    }

    async fn fetch_detections(
        &self,
        sql: &'static str,
        bind: impl Fn(Statement) -> Statement,
    ) -> Result<Vec<StoredDetection>, CatalogError> {
        let rows = self.rows(sql, bind).await?;
        row::all(&rows, row::detection).map_err(|error| self.name.error(error))
    }
}

/// Binds the parameters $1 to $24.
fn bind_detection(
    query: Statement,
    stored: &StoredDetection,
    messages: &Messages<'_>,
    now: i64,
) -> Statement {
    let StoredDetection { detection, .. } = stored;
    let detected = &detection.detected;
    let (kind, detected_in) = stored.detected_in.parts();
    query
        .bind(detection.id.0)
        .bind(kind)
        .bind(detected_in.into_owned())
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
        .bind(clamp_time(now))
        .bind(&messages.sinks)
        .bind(&messages.keys)
        .bind(&messages.payloads)
}

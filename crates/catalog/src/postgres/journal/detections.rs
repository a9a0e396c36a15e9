//! Detections of tracks in streams and files.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::Statement;
use super::outbox::Messages;
use crate::journal::{clamp_time, text};
use crate::postgres::PostgresCatalog;
use crate::postgres::row;
use crate::{
    CatalogError, Detection, DetectionId, DetectionSource, LeaseHolder, NewOutboxMessage, PageCursor,
    RecordOutcome, TrackId,
};

/// The columns of a detection, in the order in which they are bound.
macro_rules! columns {
    () => {
        "id, kind, heard_in, track, track_id, query_start, query_end, start_at, end_at, reference_start, speed, \
         pitch_cents, false_positive_probability, matched_peaks, expected_peaks, first_seen, last_seen, is_final, channel"
    };
}

macro_rules! select_detections {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM refrain.detections ", $rest)
    };
}

/// The common part of both statements that store a detection, from the parameters $1 to $19, up to the condition.
macro_rules! upsert {
    ($source:literal) => {
        concat!(
            "INSERT INTO refrain.detections AS known (",
            columns!(),
            ") SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19 ",
            $source,
            " ON CONFLICT (id) DO UPDATE SET track = excluded.track, track_id = excluded.track_id, \
             query_start = excluded.query_start, query_end = excluded.query_end, \
             start_at = excluded.start_at, end_at = excluded.end_at, \
             reference_start = excluded.reference_start, speed = excluded.speed, \
             pitch_cents = excluded.pitch_cents, \
             false_positive_probability = excluded.false_positive_probability, \
             matched_peaks = excluded.matched_peaks, expected_peaks = excluded.expected_peaks, \
             last_seen = excluded.last_seen, is_final = excluded.is_final \
             WHERE excluded.last_seen >= known.last_seen AND excluded.is_final >= known.is_final RETURNING 1"
        )
    };
}

/// The common table expression that adds the messages to the outbox if the detection was stored.
macro_rules! insert_messages {
    () => {
        "put AS (INSERT INTO refrain.outbox (detection, sink, key, payload, created_at, next_attempt_at) \
         SELECT $1, sink, key, payload, $20, (extract(epoch FROM statement_timestamp()) * 1000)::bigint \
         FROM taken, unnest($21::text[], $22::text[], $23::text[]) WITH ORDINALITY AS new (sink, key, payload, n) \
         ORDER BY n ON CONFLICT (sink, key) DO NOTHING)"
    };
}

/// Stores a detection and its messages, and returns a row if it was stored. Can be retried, because doing it twice
/// changes nothing.
const RECORD: &str =
    concat!("WITH taken AS (", upsert!(""), "), ", insert_messages!(), " SELECT 1 FROM taken");

/// Does the same unless another worker than $26 holds the stream ($24) in its session ($25). The row of the stream
/// stays locked until the end of the transaction, so that a claim happens before or after it, never in between.
const RECORD_HELD: &str = concat!(
    "WITH row AS MATERIALIZED (SELECT lease_owner FROM refrain.streams WHERE id = $24 AND started_at = $25 FOR SHARE), \
     lost AS (SELECT 1 FROM row WHERE lease_owner <> $26), taken AS (",
    upsert!("WHERE NOT EXISTS (SELECT 1 FROM lost)"),
    "), ",
    insert_messages!(),
    " SELECT EXISTS (SELECT 1 FROM lost), EXISTS (SELECT 1 FROM taken)"
);

impl PostgresCatalog {
    pub(super) async fn record(
        &self,
        detection: &Detection,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<bool, CatalogError> {
        if let Some(fault) = detection.fault().or_else(|| deliveries.iter().find_map(NewOutboxMessage::fault))
        {
            return Err(self.name.invalid(fault));
        }
        // Bound in each attempt again, so the arrays are built once outside the closure.
        let messages = Messages::of(deliveries);
        let rows = self.rows(RECORD, |query| bind_detection(query, detection, &messages, now)).await?;
        Ok(!rows.is_empty())
    }

    pub(super) async fn record_with_lease(
        &self,
        holder: LeaseHolder<'_>,
        detection: &Detection,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<RecordOutcome, CatalogError> {
        if let Some(fault) = detection.fault().or_else(|| deliveries.iter().find_map(NewOutboxMessage::fault))
        {
            return Err(self.name.invalid(fault));
        }
        let messages = Messages::of(deliveries);
        let bind = |query: Statement| {
            let query = bind_detection(query, detection, &messages, now).bind(text(holder.stream));
            query.bind(holder.started_at).bind(text(holder.owner))
        };
        // A repeated attempt finds the same state and the same messages, which ON CONFLICT accepts, and reports it as
        // stored.
        let rows: Vec<(bool, bool)> = self.rows_as(RECORD_HELD, bind).await?;
        Ok(match rows.first() {
            Some((false, true)) => RecordOutcome::Stored,
            Some((true, _)) => RecordOutcome::LeaseLost,
            // No lease of another worker, and the condition of the upsert was false.
            _ => RecordOutcome::Outdated,
        })
    }

    pub(super) async fn open_detections(
        &self,
        detected_in: &DetectionSource,
    ) -> Result<Vec<Detection>, CatalogError> {
        let (kind, detected_in) = detected_in.parts();
        let sql =
            select_detections!("WHERE kind = $1 AND heard_in = $2 AND NOT is_final ORDER BY start_at, id");
        self.detections(sql, |query| query.bind(kind).bind(&detected_in)).await
    }

    pub(super) async fn abandoned_detections(
        &self,
        before: i64,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError> {
        let sql = select_detections!(
            "WHERE kind = 1 AND NOT is_final AND last_seen < $1 AND heard_in NOT IN \
             (SELECT coalesce(session, id) FROM refrain.streams WHERE ended_at IS NULL) \
             ORDER BY start_at, id LIMIT $2"
        );
        self.detections(sql, |query| query.bind(clamp_time(before)).bind(i64::from(limit))).await
    }

    pub(super) async fn recently_final_detections(
        &self,
        detected_in: &DetectionSource,
        since: i64,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError> {
        let (kind, detected_in) = detected_in.parts();
        let sql = select_detections!(
            "WHERE kind = $1 AND heard_in = $2 AND is_final AND last_seen >= $3 ORDER BY last_seen DESC LIMIT $4"
        );
        // The latest ones are selected, so that the limit cuts off those that are least likely to be detected again.
        let bind = |query: Statement| {
            query.bind(kind).bind(&detected_in).bind(clamp_time(since)).bind(i64::from(limit))
        };
        self.detections(sql, bind).await
    }

    pub(super) async fn detections_between(
        &self,
        detected_in: &DetectionSource,
        (from, to): (i64, i64),
        after: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError> {
        let (kind, detected_in) = detected_in.parts();
        // Without a mark, the page starts before the lowest time and identity.
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
        self.detections(sql, bind).await
    }

    pub(super) async fn detections_of_track(
        &self,
        track: TrackId,
        before: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError> {
        // Without a mark, the page starts after the highest time and identity.
        let before = before.unwrap_or(PageCursor { at: i64::MAX, id: DetectionId(Uuid::max()) });
        let sql = select_detections!(
            "WHERE track_id = $1 AND (first_seen, id) < ($2, $3) ORDER BY first_seen DESC, id DESC LIMIT $4"
        );
        let bind =
            |query: Statement| query.bind(track.0).bind(before.at).bind(before.id.0).bind(i64::from(limit));
        self.detections(sql, bind).await
    }

    async fn detections(
        &self,
        sql: &'static str,
        bind: impl Fn(Statement) -> Statement,
    ) -> Result<Vec<Detection>, CatalogError> {
        let rows = self.rows(sql, bind).await?;
        rows.iter().map(detection).collect::<Result<_, _>>().map_err(|error| self.name.error(error))
    }
}

/// Binds the parameters $1 to $23.
fn bind_detection(query: Statement, detection: &Detection, messages: &Messages<'_>, now: i64) -> Statement {
    let (kind, detected_in) = detection.detected_in.parts();
    query
        .bind(detection.id.0)
        .bind(kind)
        .bind(detected_in.into_owned())
        .bind(i64::from(detection.track.0))
        .bind(detection.track_id.0)
        .bind(detection.query_start)
        .bind(detection.query_end)
        .bind(detection.start_at)
        .bind(detection.end_at)
        .bind(detection.reference_start)
        .bind(detection.speed)
        .bind(detection.pitch_cents)
        .bind(detection.false_positive_probability)
        .bind(i64::from(detection.matched_peaks))
        .bind(i64::from(detection.expected_peaks))
        .bind(detection.first_seen)
        .bind(detection.last_seen)
        .bind(detection.is_final)
        .bind(detection.channel.as_deref().map(text))
        .bind(clamp_time(now))
        .bind(&messages.sinks)
        .bind(&messages.keys)
        .bind(&messages.payloads)
}

fn detection(row: &PgRow) -> Result<Detection, sqlx::Error> {
    let kind = row.try_get("kind")?;
    let detected_in = DetectionSource::of(kind, row.try_get("heard_in")?);
    Ok(Detection {
        id: DetectionId(row.try_get("id")?),
        detected_in: detected_in.ok_or_else(|| sqlx::Error::Decode(format!("kind {kind}").into()))?,
        track: row::number(row.try_get("track")?)?,
        track_id: TrackId(row.try_get("track_id")?),
        query_start: row.try_get("query_start")?,
        query_end: row.try_get("query_end")?,
        start_at: row.try_get("start_at")?,
        end_at: row.try_get("end_at")?,
        reference_start: row.try_get("reference_start")?,
        speed: row.try_get("speed")?,
        pitch_cents: row.try_get("pitch_cents")?,
        false_positive_probability: row.try_get("false_positive_probability")?,
        matched_peaks: row::count(row.try_get("matched_peaks")?)?,
        expected_peaks: row::count(row.try_get("expected_peaks")?)?,
        first_seen: row.try_get("first_seen")?,
        last_seen: row.try_get("last_seen")?,
        is_final: row.try_get("is_final")?,
        channel: row.try_get("channel")?,
    })
}

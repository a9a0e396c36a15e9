//! The journal in the schema of the catalog. Its calls do not take the writers' lock: every call is one statement that
//! locks the rows it changes, and claims skip locked rows, so hundreds of streams never wait for an indexer.

mod attempts;
mod backlog;
mod claims;
mod detections;
mod outbox;
mod streams;

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::PostgresCatalog;
use super::retry::Retry;
use super::transaction::Statement;
use crate::journal::name_fault;
use crate::{
    AfterFailure, Backlog, CatalogError, Detection, DetectionSource, Journal, LeaseHolder, NewOutboxMessage,
    NewStream, ObjectAttempts, ObjectVersion, OutboxFilter, OutboxMessage, PageCursor, PruneCounts,
    RecordOutcome, RetentionLimits, SinkBacklog, StartOutcome, Stream, StreamFilter, StreamHealth,
    StreamReport, TrackId,
};

#[async_trait]
impl Journal for PostgresCatalog {
    async fn start_stream(&self, new: &NewStream) -> Result<StartOutcome, CatalogError> {
        self.start_stream(new).await
    }

    async fn end_stream(
        &self,
        id: &str,
        session: Option<&str>,
        reason: Option<&str>,
        at: i64,
    ) -> Result<bool, CatalogError> {
        self.end_stream(id, session, reason, at).await
    }

    async fn record_session_end(&self, id: &str, session: &str, at: i64) -> Result<(), CatalogError> {
        if let Some(fault) = name_fault("stream", id).or_else(|| name_fault("session", session)) {
            return Err(self.name.invalid(fault));
        }
        self.insert_ended_session(id, session, at).await
    }

    async fn count_waiting_streams(&self) -> Result<u64, CatalogError> {
        self.count_waiting_streams().await
    }

    async fn stream(&self, id: &str) -> Result<Option<Stream>, CatalogError> {
        self.stream(id).await
    }

    async fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Stream>, CatalogError> {
        self.streams(filter, after, limit).await
    }

    async fn claim_streams(
        &self,
        owner: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Stream>, CatalogError> {
        self.claim_by_origin(owner, limit, lease, false).await
    }

    async fn quarantine_streams(&self) -> Result<Vec<String>, CatalogError> {
        self.quarantine_streams().await
    }

    async fn claim_archives(
        &self,
        owner: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Stream>, CatalogError> {
        self.claim_by_origin(owner, limit, lease, true).await
    }

    async fn renew_leases(&self, owner: &str, lease: Duration) -> Result<Vec<String>, CatalogError> {
        self.renew_leases(owner, lease).await
    }

    async fn release(&self, owner: &str, id: Option<&str>) -> Result<u64, CatalogError> {
        self.release(owner, id).await
    }

    async fn report_stream(
        &self,
        owner: &str,
        report: &StreamReport,
        now: i64,
    ) -> Result<bool, CatalogError> {
        self.report_stream(owner, report, now).await
    }

    async fn confirm_stream(
        &self,
        owner: &str,
        session: (&str, i64),
        health: StreamHealth,
    ) -> Result<bool, CatalogError> {
        self.confirm_stream(owner, session, health).await
    }

    async fn count_decoder_death(
        &self,
        owner: &str,
        session: (&str, i64),
    ) -> Result<Option<u32>, CatalogError> {
        self.count_decoder_death(owner, session).await
    }

    async fn begin_attempt(&self, object: &ObjectVersion) -> Result<Option<u32>, CatalogError> {
        self.begin_attempt(object).await
    }

    async fn attempts(&self, object: &ObjectVersion) -> Result<u32, CatalogError> {
        self.attempts(object).await
    }

    async fn end_attempt(&self, object: &ObjectVersion) -> Result<(), CatalogError> {
        self.end_attempt(object).await
    }

    async fn open_attempts(&self, at_least: u32, limit: u32) -> Result<Vec<ObjectAttempts>, CatalogError> {
        self.open_attempts(at_least, limit).await
    }

    async fn prune_state(&self, before: i64) -> Result<u64, CatalogError> {
        self.prune_state(before).await
    }

    async fn claim_turn(&self, name: &str, every: Duration) -> Result<bool, CatalogError> {
        self.claim_turn(name, every).await
    }

    async fn record(
        &self,
        detection: &Detection,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<bool, CatalogError> {
        self.record(detection, deliveries, now).await
    }

    async fn record_with_lease(
        &self,
        holder: LeaseHolder<'_>,
        detection: &Detection,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<RecordOutcome, CatalogError> {
        self.record_with_lease(holder, detection, deliveries, now).await
    }

    async fn open_detections(&self, detected_in: &DetectionSource) -> Result<Vec<Detection>, CatalogError> {
        self.open_detections(detected_in).await
    }

    async fn abandoned_detections(&self, before: i64, limit: u32) -> Result<Vec<Detection>, CatalogError> {
        self.abandoned_detections(before, limit).await
    }

    async fn recently_final_detections(
        &self,
        detected_in: &DetectionSource,
        since: i64,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError> {
        self.recently_final_detections(detected_in, since, limit).await
    }

    async fn detections_between(
        &self,
        detected_in: &DetectionSource,
        from: i64,
        to: i64,
        after: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError> {
        self.detections_between(detected_in, (from, to), after, limit).await
    }

    async fn detections_of_track(
        &self,
        track: TrackId,
        before: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError> {
        self.detections_of_track(track, before, limit).await
    }

    async fn enqueue(&self, deliveries: &[NewOutboxMessage], now: i64) -> Result<(), CatalogError> {
        self.enqueue(deliveries, now).await
    }

    async fn backlog(&self) -> Result<Backlog, CatalogError> {
        self.backlog().await
    }

    async fn claim_deliveries(
        &self,
        sink: &str,
        limit: u32,
        claim: Duration,
    ) -> Result<Vec<OutboxMessage>, CatalogError> {
        self.claim_deliveries(sink, limit, claim).await
    }

    async fn sink_backlogs(&self) -> Result<Vec<SinkBacklog>, CatalogError> {
        self.sink_backlogs().await
    }

    async fn expire_unclaimed(&self, after: Duration, limit: u32) -> Result<u64, CatalogError> {
        self.expire_unclaimed(after, limit).await
    }

    async fn drop_deliveries(&self, sink: &str, limit: u32) -> Result<u64, CatalogError> {
        self.drop_deliveries(sink, limit).await
    }

    async fn mark_delivered(&self, ids: &[i64], now: i64) -> Result<(), CatalogError> {
        self.mark_delivered(ids, now).await
    }

    async fn mark_delivery_failed(
        &self,
        id: i64,
        attempt: u32,
        error: &str,
        then: AfterFailure,
    ) -> Result<bool, CatalogError> {
        self.mark_delivery_failed((id, attempt), error, then).await
    }

    async fn deliveries(
        &self,
        filter: &OutboxFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<OutboxMessage>, CatalogError> {
        self.deliveries(filter, after, limit).await
    }

    async fn retry(&self, ids: &[i64]) -> Result<u64, CatalogError> {
        self.retry(ids).await
    }

    async fn prune(&self, expired: RetentionLimits, limit: u32) -> Result<PruneCounts, CatalogError> {
        self.prune(expired, limit).await
    }
}

impl PostgresCatalog {
    /// Executes a statement that finds nothing left to do when it is executed again, and returns its rows. It is
    /// retried if the connection is lost. If the retry finds nothing to do, the rows of the attempt whose commit was
    /// sent are returned.
    async fn execute_retried(
        &self,
        sql: &'static str,
        bind: impl Fn(Statement) -> Statement,
    ) -> Result<Vec<PgRow>, CatalogError> {
        let mut retry = Retry::new();
        let mut sent_rows = Vec::new();
        loop {
            match self.attempt(self.write_once(bind(self.query(sql)), &mut sent_rows)).await {
                Err(error) => self.pause_before_retry(error, &mut retry).await?,
                Ok(()) => return Ok(sent_rows),
            }
        }
    }

    async fn write_once(&self, statement: Statement, sent_rows: &mut Vec<PgRow>) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let rows = statement.fetch_all(&mut *transaction).await.map_err(|error| self.name.error(error))?;
        // A repeated attempt changes nothing if the first one was committed; the rows of the first one are the result
        // then.
        if !rows.is_empty() {
            *sent_rows = rows;
        }
        self.commit(transaction).await
    }
}

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
    AfterFailure, Backlog, CatalogError, Delivery, DeliveryFilter, Detection, Expired, HeardIn, Holder,
    Journal, NewDelivery, NewStream, ObjectAttempts, ObjectVersion, PageMark, Pruned, Recorded, SinkBacklog,
    StartOutcome, Stream, StreamFilter, StreamHealth, StreamReport, TrackId,
};

#[async_trait]
impl Journal for PostgresCatalog {
    async fn start_stream(&self, new: &NewStream) -> Result<StartOutcome, CatalogError> {
        self.take_stream_in(new).await
    }

    async fn end_stream(
        &self,
        id: &str,
        session: Option<&str>,
        reason: Option<&str>,
        at: i64,
    ) -> Result<bool, CatalogError> {
        self.end_session(id, session, reason, at).await
    }

    async fn remember_end(&self, id: &str, session: &str, at: i64) -> Result<(), CatalogError> {
        if let Some(fault) = name_fault("stream", id).or_else(|| name_fault("session", session)) {
            return Err(self.name.invalid(fault));
        }
        self.forget_session(id, session, at).await
    }

    async fn waiting_streams(&self) -> Result<u64, CatalogError> {
        self.count_waiting().await
    }

    async fn stream(&self, id: &str) -> Result<Option<Stream>, CatalogError> {
        self.stream_by_id(id).await
    }

    async fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Stream>, CatalogError> {
        self.list_streams(filter, after, limit).await
    }

    async fn claim_streams(
        &self,
        owner: &str,
        most: u32,
        lease: Duration,
    ) -> Result<Vec<Stream>, CatalogError> {
        self.lease_streams(owner, most, lease, false).await
    }

    async fn quarantine_streams(&self) -> Result<Vec<String>, CatalogError> {
        self.quarantine().await
    }

    async fn claim_archives(
        &self,
        owner: &str,
        most: u32,
        lease: Duration,
    ) -> Result<Vec<Stream>, CatalogError> {
        self.lease_streams(owner, most, lease, true).await
    }

    async fn renew_leases(&self, owner: &str, lease: Duration) -> Result<Vec<String>, CatalogError> {
        self.prolong_leases(owner, lease).await
    }

    async fn release(&self, owner: &str, id: Option<&str>) -> Result<u64, CatalogError> {
        self.hand_back(owner, id).await
    }

    async fn report_stream(
        &self,
        owner: &str,
        report: &StreamReport,
        now: i64,
    ) -> Result<bool, CatalogError> {
        self.note_report(owner, report, now).await
    }

    async fn confirm_stream(
        &self,
        owner: &str,
        session: (&str, i64),
        health: StreamHealth,
    ) -> Result<bool, CatalogError> {
        self.confirm(owner, session, health).await
    }

    async fn count_decoder_death(
        &self,
        owner: &str,
        session: (&str, i64),
    ) -> Result<Option<u32>, CatalogError> {
        self.add_decoder_death(owner, session).await
    }

    async fn begin_attempt(&self, object: &ObjectVersion) -> Result<Option<u32>, CatalogError> {
        self.add_attempt(object).await
    }

    async fn attempts(&self, object: &ObjectVersion) -> Result<u32, CatalogError> {
        self.count_attempts(object).await
    }

    async fn end_attempt(&self, object: &ObjectVersion) -> Result<(), CatalogError> {
        self.forget_attempts(object).await
    }

    async fn open_attempts(&self, at_least: u32, limit: u32) -> Result<Vec<ObjectAttempts>, CatalogError> {
        self.list_attempts(at_least, limit).await
    }

    async fn prune_state(&self, before: i64) -> Result<u64, CatalogError> {
        self.delete_old_state(before).await
    }

    async fn turn(&self, name: &str, every: Duration) -> Result<bool, CatalogError> {
        self.take_turn(name, every).await
    }

    async fn record(
        &self,
        detection: &Detection,
        deliveries: &[NewDelivery],
        now: i64,
    ) -> Result<bool, CatalogError> {
        self.write_down(detection, deliveries, now).await
    }

    async fn record_held(
        &self,
        holder: Holder<'_>,
        detection: &Detection,
        deliveries: &[NewDelivery],
        now: i64,
    ) -> Result<Recorded, CatalogError> {
        self.write_down_held(holder, detection, deliveries, now).await
    }

    async fn open_detections(&self, heard_in: &HeardIn) -> Result<Vec<Detection>, CatalogError> {
        self.detections_to_go_on(heard_in).await
    }

    async fn left_open(&self, before: i64, limit: u32) -> Result<Vec<Detection>, CatalogError> {
        self.detections_left_open(before, limit).await
    }

    async fn lately_final(
        &self,
        heard_in: &HeardIn,
        since: i64,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError> {
        self.detections_lately_final(heard_in, since, limit).await
    }

    async fn detections_of(
        &self,
        heard_in: &HeardIn,
        from: i64,
        to: i64,
        after: Option<PageMark>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError> {
        self.detections_between(heard_in, (from, to), after, limit).await
    }

    async fn airings_of(
        &self,
        track: TrackId,
        before: Option<PageMark>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError> {
        self.detections_of_track(track, before, limit).await
    }

    async fn enqueue(&self, deliveries: &[NewDelivery], now: i64) -> Result<(), CatalogError> {
        self.put_out(deliveries, now).await
    }

    async fn backlog(&self) -> Result<Backlog, CatalogError> {
        self.count_outbox().await
    }

    async fn claim_deliveries(
        &self,
        sink: &str,
        most: u32,
        claim: Duration,
    ) -> Result<Vec<Delivery>, CatalogError> {
        self.take_due(sink, most, claim).await
    }

    async fn backlogs(&self) -> Result<Vec<SinkBacklog>, CatalogError> {
        self.count_outbox_by_sink().await
    }

    async fn expire_unclaimed(&self, after: Duration, most: u32) -> Result<u64, CatalogError> {
        self.expire_unclaimed_messages(after, most).await
    }

    async fn drop_deliveries(&self, sink: &str, most: u32) -> Result<u64, CatalogError> {
        self.drop_messages(sink, most).await
    }

    async fn delivered(&self, ids: &[i64], now: i64) -> Result<(), CatalogError> {
        self.mark_delivered(ids, now).await
    }

    async fn delivery_failed(
        &self,
        id: i64,
        attempt: u32,
        error: &str,
        then: AfterFailure,
    ) -> Result<bool, CatalogError> {
        self.mark_failed((id, attempt), error, then).await
    }

    async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Delivery>, CatalogError> {
        self.list_outbox(filter, after, limit).await
    }

    async fn retry(&self, ids: &[i64]) -> Result<u64, CatalogError> {
        self.revive(ids).await
    }

    async fn prune(&self, expired: Expired, most: u32) -> Result<Pruned, CatalogError> {
        self.delete_expired(expired, most).await
    }
}

impl PostgresCatalog {
    /// Executes a statement that finds nothing left to do when it is executed again, and returns its rows. It is
    /// retried if the connection is lost. If the retry finds nothing to do, the rows of the attempt whose commit was
    /// sent are returned.
    async fn written(
        &self,
        sql: &'static str,
        bind: impl Fn(Statement) -> Statement,
    ) -> Result<Vec<PgRow>, CatalogError> {
        let mut patience = Retry::new();
        let mut sent = Vec::new();
        loop {
            match self.attempt(self.write_once(bind(self.query(sql)), &mut sent)).await {
                Err(error) => self.pause_before_retry(error, &mut patience).await?,
                Ok(()) => return Ok(sent),
            }
        }
    }

    async fn write_once(&self, statement: Statement, sent: &mut Vec<PgRow>) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let rows = statement.fetch_all(&mut *transaction).await.map_err(|error| self.name.error(error))?;
        if !rows.is_empty() {
            *sent = rows;
        }
        self.commit(transaction).await
    }
}

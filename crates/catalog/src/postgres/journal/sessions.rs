//! Records what happens in a session, in one transaction of several statements.

use async_trait::async_trait;
use sqlx::Row;

use super::outbox::{ENQUEUE, Messages, bind_messages};
use crate::journal::{clamp_time, text};
use crate::postgres::PostgresCatalog;
use crate::postgres::transaction::Transaction;
use crate::{CatalogError, SessionKey, SessionRecords, SessionUpdate, StreamReport};

#[async_trait]
impl SessionRecords for PostgresCatalog {
    async fn record_session(
        &self,
        owner: &str,
        session: &SessionKey,
        update: &SessionUpdate<'_>,
        now: i64,
    ) -> Result<bool, CatalogError> {
        if let Some(fault) = update.fault() {
            return Err(self.name.invalid(fault));
        }
        // After a lost response, the next attempt finds the same detections and messages, which the statements accept.
        self.retried(|| self.record_session_once(owner, session, update, now)).await
    }
}

impl PostgresCatalog {
    async fn record_session_once(
        &self,
        owner: &str,
        session: &SessionKey,
        update: &SessionUpdate<'_>,
        now: i64,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let is_lost = self.lock_session(&mut transaction, owner, session).await?;
        if !is_lost {
            for record in update.detections {
                self.record_in(&mut transaction, record, now).await?;
            }
            if !update.messages.is_empty() {
                let new = Messages::of(update.messages);
                let statement = bind_messages(self.query(ENQUEUE), &new, now);
                statement.execute(&mut *transaction).await.map_err(|error| self.name.error(error))?;
            }
            // Written before the report, which can end the lease.
            if let Some(alerts) = update.alerts {
                self.write_alerts(&mut transaction, owner, session, alerts).await?;
            }
            if let Some(report) = update.report {
                self.write_report(&mut transaction, owner, session, report).await?;
            }
        }
        self.commit(transaction).await?;
        Ok(!is_lost)
    }

    /// Locks the row of a session, so that no other worker can claim the stream until the end of the transaction.
    /// Returns true if the session continues and the worker does not hold its lease.
    async fn lock_session(
        &self,
        transaction: &mut Transaction,
        owner: &str,
        session: &SessionKey,
    ) -> Result<bool, CatalogError> {
        // The report updates the row, so two transactions with a shared lock would wait for each other.
        let sql = "SELECT ended_at IS NULL AND lease_owner IS DISTINCT FROM $3 FROM refrain.streams \
             WHERE id = $1 AND started_at = $2 FOR NO KEY UPDATE";
        let statement = self.query(sql).bind(text(&session.id)).bind(session.started_at).bind(text(owner));
        let row = statement.fetch_optional(&mut **transaction).await;
        let is_lost = row.and_then(|row| row.map_or(Ok(false), |row| row.try_get(0)));
        is_lost.map_err(|error| self.name.error(error))
    }

    /// Writes the open alerts of a session if the worker holds its lease.
    async fn write_alerts(
        &self,
        transaction: &mut Transaction,
        owner: &str,
        session: &SessionKey,
        alerts: &str,
    ) -> Result<(), CatalogError> {
        let sql =
            "UPDATE refrain.streams SET alerts = $3 WHERE id = $1 AND started_at = $2 AND lease_owner = $4";
        let statement = self.query(sql).bind(text(&session.id)).bind(session.started_at);
        let done = statement.bind(text(alerts)).bind(text(owner)).execute(&mut **transaction).await;
        done.map(drop).map_err(|error| self.name.error(error))
    }

    /// Writes the report of a session if the worker holds its lease.
    async fn write_report(
        &self,
        transaction: &mut Transaction,
        owner: &str,
        session: &SessionKey,
        report: &StreamReport,
    ) -> Result<(), CatalogError> {
        let (state, detail) = report.state.stored();
        let sql = "UPDATE refrain.streams SET state = $3, state_detail = $12, reason = $4, epoch = coalesce($5, epoch), \
             clock_anchor = coalesce($9, clock_anchor), progress = coalesce($10, progress), updated_at = $6, \
             attempts = CASE WHEN $7 THEN 0 ELSE attempts END, \
             ended_at = CASE WHEN $8 THEN $6 END, \
             lease_owner = CASE WHEN NOT $8 THEN lease_owner END, \
             lease_until = CASE WHEN NOT $8 THEN lease_until END \
             WHERE id = $1 AND started_at = $2 AND lease_owner = $11";
        let statement = self.query(sql).bind(text(&session.id)).bind(session.started_at);
        let statement = statement
            .bind(state.as_str())
            .bind(report.reason.as_deref().map(text))
            .bind(report.epoch.map(clamp_time))
            .bind(clamp_time(report.at))
            .bind(report.state.is_decoding())
            .bind(report.state.is_over())
            .bind(report.clock_anchor.as_deref().map(text))
            .bind(report.progress.as_deref().map(text))
            .bind(text(owner))
            .bind(detail);
        let done = statement.execute(&mut **transaction).await;
        done.map(drop).map_err(|error| self.name.error(error))
    }
}

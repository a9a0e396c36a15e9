//! Records what happens in a session, in one transaction.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use crate::journal::{clamp_time, text};
use crate::sqlite::SqliteCatalog;
use crate::{CatalogError, SessionKey, SessionRecords, SessionUpdate, StreamReport};

#[async_trait]
impl SessionRecords for SqliteCatalog {
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
        // The lock of the transaction excludes claims until the transaction ends.
        let mut transaction = self.begin().await?;
        let is_lost: Option<bool> = sqlx::query_scalar(
            "SELECT ended_at IS NULL AND lease_owner IS NOT ?3 FROM streams WHERE id = ?1 AND started_at = ?2",
        )
        .bind(text(&session.id))
        .bind(session.started_at)
        .bind(text(owner))
        .fetch_optional(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        let is_lost = is_lost.unwrap_or(false);
        if !is_lost {
            for record in update.detections {
                self.record_in(&mut transaction, &record.detection, &record.messages, now).await?;
            }
            self.add_to_outbox(&mut transaction, None, update.messages, now).await?;
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
}

impl SqliteCatalog {
    /// Writes the open alerts of a session if the worker holds its lease.
    async fn write_alerts(
        &self,
        connection: &mut SqliteConnection,
        owner: &str,
        session: &SessionKey,
        alerts: &str,
    ) -> Result<(), CatalogError> {
        let sql = "UPDATE streams SET alerts = ?3 WHERE id = ?1 AND started_at = ?2 AND lease_owner = ?4";
        let statement = sqlx::query(sql).bind(text(&session.id)).bind(session.started_at);
        let done = statement.bind(text(alerts)).bind(text(owner)).execute(connection).await;
        done.map(drop).map_err(|error| self.name.error(error))
    }

    /// Writes the report of a session if the worker holds its lease.
    async fn write_report(
        &self,
        connection: &mut SqliteConnection,
        owner: &str,
        session: &SessionKey,
        report: &StreamReport,
    ) -> Result<(), CatalogError> {
        let (state, detail) = report.state.stored();
        let done = sqlx::query(
            "UPDATE streams SET state = ?3, state_detail = ?12, reason = ?4, epoch = coalesce(?5, epoch), \
             clock_anchor = coalesce(?9, clock_anchor), progress = coalesce(?10, progress), updated_at = ?6, \
             attempts = CASE WHEN ?7 THEN 0 ELSE attempts END, ended_at = CASE WHEN ?8 THEN ?6 END, \
             lease_owner = CASE WHEN NOT ?8 THEN lease_owner END, \
             lease_until = CASE WHEN NOT ?8 THEN lease_until END \
             WHERE id = ?1 AND started_at = ?2 AND lease_owner = ?11",
        )
        .bind(text(&session.id))
        .bind(session.started_at)
        .bind(state.as_str())
        .bind(report.reason.as_deref().map(text))
        .bind(report.epoch.map(clamp_time))
        .bind(clamp_time(report.at))
        .bind(report.state.is_decoding())
        .bind(report.state.is_over())
        .bind(report.clock_anchor.as_deref().map(text))
        .bind(report.progress.as_deref().map(text))
        .bind(text(owner))
        .bind(detail)
        .execute(connection)
        .await;
        done.map(drop).map_err(|error| self.name.error(error))
    }
}

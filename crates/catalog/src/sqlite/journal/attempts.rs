//! Counts of attempts and deaths.

use async_trait::async_trait;

use crate::clock::now;
use crate::journal::{clamp_time, text};
use crate::sqlite::SqliteCatalog;
use crate::{Attempts, CatalogError, MAX_DEATHS, ObjectAttempts, ObjectVersion, StreamHealth, row};

#[async_trait]
impl Attempts for SqliteCatalog {
    async fn confirm_stream(
        &self,
        owner: &str,
        (id, started_at): (&str, i64),
        health: StreamHealth,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query(
            "UPDATE streams SET deaths = 0, decoder_deaths = CASE WHEN ?4 THEN 0 ELSE decoder_deaths END \
             WHERE id = ?1 AND started_at = ?2 AND lease_owner = ?3",
        )
        .bind(text(id))
        .bind(started_at)
        .bind(text(owner))
        .bind(health == StreamHealth::Healthy)
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await?;
        Ok(done.rows_affected() > 0)
    }

    async fn count_decoder_death(
        &self,
        owner: &str,
        (id, started_at): (&str, i64),
    ) -> Result<Option<u32>, CatalogError> {
        let mut transaction = self.begin().await?;
        let deaths = sqlx::query_scalar(
            "UPDATE streams SET decoder_deaths = decoder_deaths + 1 \
             WHERE id = ?1 AND started_at = ?2 AND lease_owner = ?3 RETURNING decoder_deaths",
        )
        .bind(text(id))
        .bind(started_at)
        .bind(text(owner))
        .fetch_optional(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await?;
        Ok(deaths)
    }

    async fn begin_attempt(&self, object: &ObjectVersion) -> Result<Option<u32>, CatalogError> {
        if let Some(fault) = object.fault() {
            return Err(self.name.invalid(fault));
        }
        let mut transaction = self.begin().await?;
        let attempts = sqlx::query_scalar(
            "INSERT INTO object_attempts (bucket, key, version, attempts, updated_at) VALUES (?1, ?2, ?3, 1, ?4) \
             ON CONFLICT (bucket, key, version) DO UPDATE SET attempts = attempts + 1, updated_at = ?4 \
             WHERE attempts < ?5 RETURNING attempts",
        )
        .bind(text(&object.bucket))
        .bind(text(&object.key))
        .bind(text(&object.version))
        // Read under the lock, so that the times have the order of the attempts.
        .bind(now())
        .bind(MAX_DEATHS)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await?;
        Ok(attempts)
    }

    async fn attempts(&self, object: &ObjectVersion) -> Result<u32, CatalogError> {
        let attempts: Result<Option<u32>, _> = sqlx::query_scalar(
            "SELECT attempts FROM object_attempts WHERE bucket = ?1 AND key = ?2 AND version = ?3",
        )
        .bind(text(&object.bucket))
        .bind(text(&object.key))
        .bind(text(&object.version))
        .fetch_optional(&self.readers)
        .await;
        attempts.map(Option::unwrap_or_default).map_err(|error| self.name.error(error))
    }

    async fn end_attempt(&self, object: &ObjectVersion) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM object_attempts WHERE bucket = ?1 AND key = ?2 AND version = ?3")
            .bind(text(&object.bucket))
            .bind(text(&object.key))
            .bind(text(&object.version))
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await
    }

    async fn open_attempts(&self, at_least: u32, limit: u32) -> Result<Vec<ObjectAttempts>, CatalogError> {
        let rows = sqlx::query(
            "SELECT bucket, key, version, attempts, updated_at FROM object_attempts WHERE attempts >= ?1 \
             ORDER BY updated_at DESC, bucket, key LIMIT ?2",
        )
        .bind(at_least)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await;
        rows.and_then(|rows| row::all(&rows, row::object_attempts)).map_err(|error| self.name.error(error))
    }

    async fn prune_state(&self, before: i64) -> Result<u64, CatalogError> {
        let mut transaction = self.begin().await?;
        let mut deleted = 0;
        for sql in [
            "DELETE FROM object_attempts WHERE updated_at < ?1",
            "DELETE FROM ended_sessions WHERE ended_at < ?1",
        ] {
            // Both deletions in one transaction: one commit, and one wait for the lock.
            let done = sqlx::query(sql).bind(clamp_time(before)).execute(&mut *transaction).await;
            deleted += done.map_err(|error| self.name.error(error))?.rows_affected();
        }
        self.commit(transaction).await?;
        Ok(deleted)
    }
}

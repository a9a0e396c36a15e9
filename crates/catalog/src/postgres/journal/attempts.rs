//! Counts of attempts and deaths.

use async_trait::async_trait;

use super::Statement;
use crate::journal::{clamp_time, text};
use crate::postgres::PostgresCatalog;
use crate::{Attempts, CatalogError, MAX_DEATHS, ObjectAttempts, ObjectVersion, StreamHealth, row};

#[async_trait]
impl Attempts for PostgresCatalog {
    async fn confirm_stream(
        &self,
        owner: &str,
        (id, started_at): (&str, i64),
        health: StreamHealth,
    ) -> Result<bool, CatalogError> {
        let sql = "UPDATE refrain.streams SET deaths = 0, \
             decoder_deaths = CASE WHEN $4 THEN 0 ELSE decoder_deaths END \
             WHERE id = $1 AND started_at = $2 AND lease_owner = $3 RETURNING 1";
        let is_healthy = health == StreamHealth::Healthy;
        let bind =
            |query: Statement| query.bind(text(id)).bind(started_at).bind(text(owner)).bind(is_healthy);
        Ok(!self.rows(sql, bind).await?.is_empty())
    }

    async fn count_decoder_death(
        &self,
        owner: &str,
        (id, started_at): (&str, i64),
    ) -> Result<Option<u32>, CatalogError> {
        let sql = "UPDATE refrain.streams SET decoder_deaths = decoder_deaths + 1 \
             WHERE id = $1 AND started_at = $2 AND lease_owner = $3 RETURNING decoder_deaths";
        let bind = |query: Statement| query.bind(text(id)).bind(started_at).bind(text(owner));
        self.only_count(self.rows_as(sql, bind).await?)
    }

    async fn begin_attempt(&self, object: &ObjectVersion) -> Result<Option<u32>, CatalogError> {
        if let Some(fault) = object.fault() {
            return Err(self.name.invalid(fault));
        }
        let sql = "INSERT INTO refrain.object_attempts AS known (bucket, key, version, attempts, updated_at) \
             VALUES ($1, $2, $3, 1, (extract(epoch FROM statement_timestamp()) * 1000)::bigint) \
             ON CONFLICT (bucket, key, version) DO UPDATE SET attempts = known.attempts + 1, \
             updated_at = excluded.updated_at WHERE known.attempts < $4 RETURNING attempts";
        // The limit is part of the statement: two processes that begin at the same time cannot both get the last
        // attempt. A retry after a lost response can count one attempt too many; the object is then blocked one attempt
        // earlier.
        let bind = |query| named(query, object).bind(i64::from(MAX_DEATHS));
        self.only_count(self.rows_as(sql, bind).await?)
    }

    async fn attempts(&self, object: &ObjectVersion) -> Result<u32, CatalogError> {
        let sql = "SELECT attempts FROM refrain.object_attempts \
             WHERE bucket = $1 AND key = $2 AND version = $3";
        let rows = self.rows_as(sql, |query| named(query, object)).await?;
        Ok(self.only_count(rows)?.unwrap_or_default())
    }

    async fn end_attempt(&self, object: &ObjectVersion) -> Result<(), CatalogError> {
        let sql = "DELETE FROM refrain.object_attempts WHERE bucket = $1 AND key = $2 AND version = $3";
        self.rows(sql, |query| named(query, object)).await.map(drop)
    }

    async fn open_attempts(&self, at_least: u32, limit: u32) -> Result<Vec<ObjectAttempts>, CatalogError> {
        let sql = "SELECT bucket, key, version, attempts, updated_at FROM refrain.object_attempts \
             WHERE attempts >= $1 ORDER BY updated_at DESC, bucket, key LIMIT $2";
        let bind = |query: Statement| query.bind(i64::from(at_least)).bind(i64::from(limit));
        let rows = self.rows(sql, bind).await?;
        row::all(&rows, row::object_attempts).map_err(|error| self.name.error(error))
    }

    async fn prune_state(&self, before: i64) -> Result<u64, CatalogError> {
        // The deletions return the counts. A retry after a lost response returns 0, which only affects a log line.
        let sql = "WITH objects AS (DELETE FROM refrain.object_attempts WHERE updated_at < $1 RETURNING 1), \
             sessions AS (DELETE FROM refrain.ended_sessions WHERE ended_at < $1 RETURNING 1) \
             SELECT (SELECT count(*) FROM objects) + (SELECT count(*) FROM sessions)";
        let rows: Vec<(i64,)> = self.rows_as(sql, |query| query.bind(clamp_time(before))).await?;
        self.unsigned(rows.first().map_or(0, |(count,)| *count))
    }
}

impl PostgresCatalog {
    fn only_count(&self, mut rows: Vec<(i64,)>) -> Result<Option<u32>, CatalogError> {
        let count = rows.pop().map(|(count,)| row::count(count));
        count.transpose().map_err(|error| self.name.error(error))
    }
}

/// Binds bucket, key and version of an object to $1, $2 and $3.
fn named(query: Statement, object: &ObjectVersion) -> Statement {
    // A `Statement` has no lifetime parameter, so it must own its parameters.
    let own = |name: &str| text(name).into_owned();
    query.bind(own(&object.bucket)).bind(own(&object.key)).bind(own(&object.version))
}

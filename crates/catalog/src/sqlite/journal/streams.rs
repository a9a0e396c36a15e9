//! Streams: start, end and queries.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use crate::journal::{clamp_time, name_fault, text};
use crate::row::{self, stream_columns};
use crate::sqlite::SqliteCatalog;
use crate::{CatalogError, NewStream, StartOutcome, Stream, StreamFilter, StreamRegistry};

/// The text of a statement: `$before`, then the list of the columns of a stream, then `$after`.
macro_rules! with_streams {
    ($before:literal, $after:literal) => {
        concat!($before, " ", stream_columns!(), " ", $after)
    };
}

#[async_trait]
impl StreamRegistry for SqliteCatalog {
    async fn start_stream(&self, new: &NewStream) -> Result<StartOutcome, CatalogError> {
        if let Some(fault) = new.fault() {
            return Err(self.name.invalid(fault));
        }
        let mut transaction = self.begin().await?;
        let started = sqlx::query(with_streams!(
            "INSERT INTO streams (id, url, headers, origin, session, state, created_at, started_at, updated_at) \
             SELECT ?1, ?2, ?6, ?3, ?4, 'starting', ?5, ?5, ?5 \
             WHERE NOT EXISTS (SELECT 1 FROM ended_sessions WHERE stream = ?1 AND session = ?4) \
             OR NOT EXISTS (SELECT 1 FROM streams WHERE id = ?1) \
             ON CONFLICT (id) DO UPDATE SET url = excluded.url, headers = excluded.headers, \
             origin = excluded.origin, session = excluded.session, state = 'starting', reason = NULL, epoch = NULL, \
             clock_anchor = NULL, progress = NULL, alerts = NULL, \
             started_at = excluded.started_at, updated_at = excluded.started_at, ended_at = NULL, \
             lease_owner = NULL, lease_until = NULL, attempts = 0, deaths = 0, decoder_deaths = 0 \
             WHERE excluded.started_at > streams.started_at \
             AND coalesce(excluded.session <> streams.session, excluded.started_at > streams.ended_at) \
             RETURNING",
            ""
        ))
        .bind(text(&new.id))
        .bind(text(&new.url))
        .bind(text(&new.origin))
        .bind(new.session.as_deref().map(text))
        .bind(clamp_time(new.started_at))
        .bind(new.headers.as_ref().map(|headers| text(headers.expose())))
        .fetch_all(&mut *transaction)
        .await;
        // No row means that the conflict clause rejected the start. Nothing was written in this case, so the
        // transaction is dropped without a commit.
        if let Some(stream) = self.read_streams(started)?.pop() {
            self.commit(transaction).await?;
            return Ok(StartOutcome::Started(stream));
        }
        // In the same transaction, so that the stream cannot be deleted in between.
        let known = sqlx::query(with_streams!("SELECT", "FROM streams WHERE id = ?1"))
            .bind(text(&new.id))
            .fetch_all(&mut *transaction)
            .await;
        let known = self.read_streams(known)?.pop();
        known
            .map(StartOutcome::Known)
            .ok_or_else(|| self.name.corrupt("a stream was neither started nor found"))
    }

    async fn end_stream(
        &self,
        id: &str,
        session: Option<&str>,
        reason: Option<&str>,
        at: i64,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query(
            "UPDATE streams SET state = 'ended', reason = ?3, ended_at = ?4, updated_at = ?4, \
             lease_owner = NULL, lease_until = NULL \
             WHERE id = ?1 AND ended_at IS NULL AND started_at <= ?4 AND coalesce(session = ?2, TRUE)",
        )
        .bind(text(id))
        .bind(session.map(text))
        .bind(reason.map(text))
        .bind(clamp_time(at))
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await?;
        Ok(done.rows_affected() > 0)
    }

    async fn record_session_end(&self, id: &str, session: &str, at: i64) -> Result<(), CatalogError> {
        if let Some(fault) = name_fault("stream", id).or_else(|| name_fault("session", session)) {
            return Err(self.name.invalid(fault));
        }
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO ended_sessions (stream, session, ended_at) VALUES (?1, ?2, ?3) \
             ON CONFLICT (stream, session) DO NOTHING",
        )
        .bind(text(id))
        .bind(text(session))
        .bind(clamp_time(at))
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.name.error(error))?;
        self.commit(transaction).await
    }

    async fn stream(&self, id: &str) -> Result<Option<Stream>, CatalogError> {
        let query = sqlx::query(with_streams!("SELECT", "FROM streams WHERE id = ?1"));
        Ok(self.read_streams(query.bind(text(id)).fetch_all(&self.readers).await)?.pop())
    }

    async fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Stream>, CatalogError> {
        let rows = sqlx::query(with_streams!(
            "SELECT",
            "FROM streams WHERE id > ?1 AND (?2 OR ended_at IS NULL) AND (?3 IS NULL OR state = ?3) \
             AND (?4 IS NULL OR origin = ?4) ORDER BY id LIMIT ?5"
        ))
        .bind(after.map(text).unwrap_or_default())
        .bind(filter.over)
        .bind(filter.state.map(|state| state.stored().0.as_str()))
        .bind(filter.origin.as_deref().map(text))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await;
        self.read_streams(rows)
    }
}

impl SqliteCatalog {
    pub(super) fn read_streams(
        &self,
        rows: Result<Vec<SqliteRow>, sqlx::Error>,
    ) -> Result<Vec<Stream>, CatalogError> {
        rows.and_then(|rows| row::all(&rows, row::stream)).map_err(|error| self.name.error(error))
    }
}

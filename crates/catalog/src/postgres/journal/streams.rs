//! Streams: start, end and queries.

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::Statement;
use crate::journal::{clamp_time, name_fault, text};
use crate::postgres::PostgresCatalog;
use crate::row::{self, stream_columns};
use crate::{CatalogError, NewStream, StartOutcome, Stream, StreamFilter, StreamRegistry};

/// The text of a statement: `$before`, then the list of the columns of a stream, then `$after`.
macro_rules! with_streams {
    ($before:literal, $after:literal) => {
        concat!($before, " ", stream_columns!(), " ", $after)
    };
}

#[async_trait]
impl StreamRegistry for PostgresCatalog {
    async fn start_stream(&self, new: &NewStream) -> Result<StartOutcome, CatalogError> {
        if let Some(fault) = new.fault() {
            return Err(self.name.invalid(fault));
        }
        let sql = with_streams!(
            "INSERT INTO refrain.streams AS known \
             (id, url, headers, origin, session, state, created_at, started_at, updated_at) \
             SELECT $1, $2, $6, $3, $4, 'starting', $5, $5, $5 \
             WHERE NOT EXISTS (SELECT 1 FROM refrain.ended_sessions WHERE stream = $1 AND session = $4) \
             OR NOT EXISTS (SELECT 1 FROM refrain.streams WHERE id = $1) \
             ON CONFLICT (id) DO UPDATE SET url = excluded.url, headers = excluded.headers, \
             origin = excluded.origin, session = excluded.session, state = 'starting', reason = NULL, epoch = NULL, \
             clock_anchor = NULL, progress = NULL, alerts = NULL, \
             started_at = excluded.started_at, updated_at = excluded.started_at, ended_at = NULL, \
             lease_owner = NULL, lease_until = NULL, attempts = 0, deaths = 0, decoder_deaths = 0 \
             WHERE excluded.started_at > known.started_at \
             AND coalesce(excluded.session <> known.session, excluded.started_at > known.ended_at) \
             RETURNING",
            ""
        );
        let bind = |query: Statement| {
            query
                .bind(text(&new.id))
                .bind(text(&new.url))
                .bind(text(&new.origin))
                .bind(new.session.as_deref().map(text))
                .bind(clamp_time(new.started_at))
                .bind(new.headers.as_ref().map(|headers| text(headers.expose())))
        };
        let rows = self.execute_retried(sql, bind).await?;
        if let Some(stream) = self.read_streams(&rows)?.pop() {
            return Ok(StartOutcome::Started(stream));
        }
        // Read by a separate statement: the row that ON CONFLICT did not update is not returned by RETURNING.
        let known = self.stream(&new.id).await?;
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
        let sql = "UPDATE refrain.streams SET state = 'ended', reason = $3, ended_at = $4, updated_at = $4, \
             lease_owner = NULL, lease_until = NULL \
             WHERE id = $1 AND ended_at IS NULL AND started_at <= $4 AND coalesce(session = $2, true) \
             RETURNING 1";
        let bind = |query: Statement| {
            query.bind(text(id)).bind(session.map(text)).bind(reason.map(text)).bind(clamp_time(at))
        };
        let rows = self.execute_retried(sql, bind).await?;
        Ok(!rows.is_empty())
    }

    async fn record_session_end(&self, id: &str, session: &str, at: i64) -> Result<(), CatalogError> {
        if let Some(fault) = name_fault("stream", id).or_else(|| name_fault("session", session)) {
            return Err(self.name.invalid(fault));
        }
        // The first time is kept, because a repeated report of the same end adds nothing.
        let sql = "INSERT INTO refrain.ended_sessions (stream, session, ended_at) VALUES ($1, $2, $3) \
             ON CONFLICT (stream, session) DO NOTHING";
        let bind = |query: Statement| query.bind(text(id)).bind(text(session)).bind(clamp_time(at));
        self.rows(sql, bind).await.map(drop)
    }

    async fn stream(&self, id: &str) -> Result<Option<Stream>, CatalogError> {
        let sql = with_streams!("SELECT", "FROM refrain.streams WHERE id = $1");
        let rows = self.rows(sql, |query| query.bind(text(id))).await?;
        Ok(self.read_streams(&rows)?.pop())
    }

    async fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Stream>, CatalogError> {
        let sql = with_streams!(
            "SELECT",
            "FROM refrain.streams WHERE id > $1 AND ($2 OR ended_at IS NULL) AND ($3 IS NULL OR state = $3) \
             AND ($4 IS NULL OR origin = $4) ORDER BY id LIMIT $5"
        );
        let bind = |query: Statement| {
            query
                // Ids are not empty, so the empty text is before all of them.
                .bind(after.map(text).unwrap_or_default())
                .bind(filter.over)
                .bind(filter.state.map(|state| state.stored().0.as_str()))
                .bind(filter.origin.as_deref().map(text))
                .bind(i64::from(limit))
        };
        let rows = self.rows(sql, bind).await?;
        self.read_streams(&rows)
    }
}

impl PostgresCatalog {
    pub(super) fn read_streams(&self, rows: &[PgRow]) -> Result<Vec<Stream>, CatalogError> {
        row::all(rows, row::stream).map_err(|error| self.name.error(error))
    }
}

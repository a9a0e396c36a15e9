//! Streams: start, end and queries.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Statement;
use crate::journal::{clamp_time, text};
use crate::postgres::PostgresCatalog;
use crate::postgres::row;
use crate::{CatalogError, NewStream, StartOutcome, Stream, StreamFilter, StreamState};

/// The columns that [`PostgresCatalog::read_streams`] reads.
macro_rules! stream_columns {
    () => {
        "id, url, origin, session, state, reason, epoch, clock_anchor, created_at, started_at, updated_at, ended_at, \
         lease_owner, lease_until, attempts, deaths, decoder_deaths, progress"
    };
}
macro_rules! with_streams {
    ($before:literal, $after:literal) => {
        concat!($before, " ", stream_columns!(), " ", $after)
    };
}
pub(super) use stream_columns;

impl PostgresCatalog {
    pub(super) async fn start_stream(&self, new: &NewStream) -> Result<StartOutcome, CatalogError> {
        if let Some(fault) = new.fault() {
            return Err(self.name.invalid(fault));
        }
        let sql = with_streams!(
            "INSERT INTO refrain.streams AS known \
             (id, url, origin, session, state, created_at, started_at, updated_at) \
             SELECT $1, $2, $3, $4, 'starting', $5, $5, $5 \
             WHERE NOT EXISTS (SELECT 1 FROM refrain.ended_sessions WHERE stream = $1 AND session = $4) \
             OR NOT EXISTS (SELECT 1 FROM refrain.streams WHERE id = $1) \
             ON CONFLICT (id) DO UPDATE SET url = excluded.url, origin = excluded.origin, \
             session = excluded.session, state = 'starting', reason = NULL, epoch = NULL, clock_anchor = NULL, progress = NULL, \
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

    pub(super) async fn end_stream(
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

    pub(super) async fn stream(&self, id: &str) -> Result<Option<Stream>, CatalogError> {
        let sql = with_streams!("SELECT", "FROM refrain.streams WHERE id = $1");
        let rows = self.rows(sql, |query| query.bind(text(id))).await?;
        Ok(self.read_streams(&rows)?.pop())
    }

    pub(super) async fn streams(
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
                .bind(filter.state.map(StreamState::as_str))
                .bind(filter.origin.as_deref().map(text))
                .bind(i64::from(limit))
        };
        let rows = self.rows(sql, bind).await?;
        self.read_streams(&rows)
    }

    pub(super) fn read_streams(&self, rows: &[PgRow]) -> Result<Vec<Stream>, CatalogError> {
        rows.iter().map(stream).collect::<Result<_, _>>().map_err(|error| self.name.error(error))
    }
}

fn stream(row: &PgRow) -> Result<Stream, sqlx::Error> {
    let state: &str = row.try_get("state")?;
    Ok(Stream {
        id: row.try_get("id")?,
        url: row.try_get("url")?,
        origin: row.try_get("origin")?,
        session: row.try_get("session")?,
        state: StreamState::from_name(state)
            .ok_or_else(|| sqlx::Error::Decode(format!("state {state:?}").into()))?,
        reason: row.try_get("reason")?,
        epoch: row.try_get("epoch")?,
        clock_anchor: row.try_get("clock_anchor")?,
        created_at: row.try_get("created_at")?,
        started_at: row.try_get("started_at")?,
        updated_at: row.try_get("updated_at")?,
        ended_at: row.try_get("ended_at")?,
        lease_owner: row.try_get("lease_owner")?,
        lease_until: row.try_get("lease_until")?,
        attempts: row::count(row.try_get("attempts")?)?,
        deaths: row::count(row.try_get("deaths")?)?,
        decoder_deaths: row::count(row.try_get("decoder_deaths")?)?,
        progress: row.try_get("progress")?,
    })
}

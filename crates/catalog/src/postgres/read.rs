//! Queries of tracks. Each is one statement in its own transaction.

use async_trait::async_trait;
use sqlx::FromRow;
use sqlx::postgres::PgRow;

use super::PostgresCatalog;
use super::transaction::Statement;
use crate::{CatalogError, ContentHash, Track, TrackFilter, TrackId, TrackNumber, TrackReader, row, search};

/// A query of all columns of tracks; `$rest` follows its FROM clause.
macro_rules! select_tracks {
    ($rest:literal) => {
        concat!("SELECT ", $crate::row::track_columns!(), " FROM refrain.tracks ", $rest)
    };
}
pub(super) use select_tracks;

#[async_trait]
impl TrackReader for PostgresCatalog {
    async fn find_by_content(&self, content: &ContentHash) -> Result<Option<Track>, CatalogError> {
        self.optional_track(
            select_tracks!("WHERE content = $1 AND removed_at IS NULL ORDER BY number LIMIT 1"),
            |query| query.bind(&content.0[..]),
        )
        .await
    }

    async fn find_by_source(&self, source: &str) -> Result<Option<Track>, CatalogError> {
        // Texts in the database never contain NUL, and NUL cannot be passed as a parameter.
        if source.contains('\0') {
            return Ok(None);
        }
        self.optional_track(select_tracks!("WHERE source = $1 AND removed_at IS NULL"), |query| {
            query.bind(source)
        })
        .await
    }

    async fn by_numbers(&self, numbers: &[TrackNumber]) -> Result<Vec<Track>, CatalogError> {
        let numbers = as_parameter(numbers);
        self.all_tracks(select_tracks!("WHERE number = ANY($1)"), |query| query.bind(&numbers)).await
    }

    async fn by_id(&self, id: TrackId) -> Result<Option<Track>, CatalogError> {
        // Two partial indexes answer this: the live row comes first, then the newest removed one.
        self.optional_track(
            select_tracks!(
                "WHERE number = coalesce( \
                 (SELECT number FROM refrain.tracks WHERE id = $1 AND removed_at IS NULL), \
                 (SELECT max(number) FROM refrain.tracks WHERE id = $1 AND removed_at IS NOT NULL))"
            ),
            |query| query.bind(id.0),
        )
        .await
    }

    async fn list(
        &self,
        filter: &TrackFilter,
        after: Option<TrackNumber>,
        limit: u32,
    ) -> Result<Vec<Track>, CatalogError> {
        // The case is folded by this program, because lower() of the server depends on the locale of the server.
        let text = filter.text.as_deref().map(search::needle);
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            return Ok(Vec::new());
        }
        self.all_tracks(
            select_tracks!(
                "WHERE number > $1 AND ($2 OR removed_at IS NULL) AND ($3 IS NULL OR rule = $3) \
                 AND ($4 IS NULL OR strpos(search, $4) > 0) ORDER BY number LIMIT $5"
            ),
            |query| {
                query
                    .bind(after.map_or(0, |number| i64::from(number.0)))
                    .bind(filter.removed)
                    .bind(filter.rule.as_ref().map(crate::Rule::as_str))
                    .bind(text.as_deref())
                    .bind(i64::from(limit))
            },
        )
        .await
    }

    async fn count(&self) -> Result<u64, CatalogError> {
        let sql = "SELECT count(*) FROM refrain.tracks WHERE removed_at IS NULL";
        let rows: Vec<(i64,)> = self.rows_as(sql, |query| query).await?;
        self.unsigned(rows.first().map_or(0, |row| row.0))
    }
}

impl PostgresCatalog {
    async fn optional_track(
        &self,
        sql: &'static str,
        bind: impl Fn(Statement) -> Statement,
    ) -> Result<Option<Track>, CatalogError> {
        Ok(self.all_tracks(sql, bind).await?.pop())
    }

    async fn all_tracks(
        &self,
        sql: &'static str,
        bind: impl Fn(Statement) -> Statement,
    ) -> Result<Vec<Track>, CatalogError> {
        let rows = self.rows(sql, bind).await?;
        row::all(&rows, row::track).map_err(|error| self.name.error(error))
    }

    pub(super) async fn rows_as<T: for<'r> FromRow<'r, PgRow>>(
        &self,
        sql: &'static str,
        bind: impl Fn(Statement) -> Statement,
    ) -> Result<Vec<T>, CatalogError> {
        let rows = self.rows(sql, bind).await?;
        rows.iter().map(T::from_row).collect::<Result<_, _>>().map_err(|error| self.name.error(error))
    }

    /// Executes a statement and returns its rows; retried if the connection is lost.
    pub(super) async fn rows(
        &self,
        sql: &'static str,
        bind: impl Fn(Statement) -> Statement,
    ) -> Result<Vec<PgRow>, CatalogError> {
        // A `Statement` is consumed by its execution, so each attempt binds the parameters again.
        self.retried(|| self.rows_once(bind(self.query(sql)))).await
    }

    async fn rows_once(&self, statement: Statement) -> Result<Vec<PgRow>, CatalogError> {
        let mut transaction = self.begin().await?;
        let rows = statement.fetch_all(&mut *transaction).await.map_err(|error| self.name.error(error))?;
        // A dropped transaction would close its connection. A commit returns it to the pool.
        self.commit(transaction).await?;
        Ok(rows)
    }

    pub(super) fn unsigned(&self, stored: i64) -> Result<u64, CatalogError> {
        u64::try_from(stored).map_err(|_| self.name.corrupt(format!("negative number {stored}")))
    }
}

/// Converts track numbers to an array, which a query binds as one parameter.
pub(super) fn as_parameter(numbers: &[TrackNumber]) -> Vec<i64> {
    numbers.iter().map(|number| i64::from(number.0)).collect()
}

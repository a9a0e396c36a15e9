//! Queries. Each is one statement in its own transaction.

use sqlx::FromRow;
use sqlx::postgres::PgRow;

use super::PostgresCatalog;
use super::row::{self, select_tracks};
use super::transaction::Statement;
use crate::{
    CatalogError, Change, ChangeKind, ContentHash, NearDuplicate, Track, TrackFilter, TrackId, TrackNumber,
    search,
};

pub(super) const ADDED: i16 = 1;
pub(super) const REMOVED: i16 = 2;
pub(super) const RELABELED: i16 = 3;

impl PostgresCatalog {
    pub(super) async fn find_by_content(&self, content: &ContentHash) -> Result<Option<Track>, CatalogError> {
        self.optional_track(
            select_tracks!("WHERE content = $1 AND removed_at IS NULL ORDER BY number LIMIT 1"),
            |query| query.bind(&content.0[..]),
        )
        .await
    }

    pub(super) async fn find_by_source(&self, source: &str) -> Result<Option<Track>, CatalogError> {
        // Texts in the database never contain NUL, and it cannot be passed as a parameter.
        if source.contains('\0') {
            return Ok(None);
        }
        self.optional_track(select_tracks!("WHERE source = $1 AND removed_at IS NULL"), |query| {
            query.bind(source)
        })
        .await
    }

    pub(super) async fn by_id(&self, id: TrackId) -> Result<Option<Track>, CatalogError> {
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

    pub(super) async fn by_numbers(&self, numbers: &[TrackNumber]) -> Result<Vec<Track>, CatalogError> {
        let numbers = stored(numbers);
        self.all_tracks(select_tracks!("WHERE number = ANY($1)"), |query| query.bind(&numbers)).await
    }

    pub(super) async fn list(
        &self,
        filter: &TrackFilter,
        after: Option<TrackNumber>,
        limit: u32,
    ) -> Result<Vec<Track>, CatalogError> {
        // Folded here, because lower() of the server depends on its locale.
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

    pub(super) async fn count(&self) -> Result<u64, CatalogError> {
        let sql = "SELECT count(*) FROM refrain.tracks WHERE removed_at IS NULL";
        let rows: Vec<(i64,)> = self.rows_as(sql, |query| query).await?;
        self.unsigned(rows.first().map_or(0, |row| row.0))
    }

    pub(super) async fn near_duplicates(
        &self,
        track: TrackNumber,
    ) -> Result<Vec<NearDuplicate>, CatalogError> {
        let sql = "SELECT n.track, n.of, n.seconds FROM refrain.near_duplicates n \
             JOIN refrain.tracks a ON a.number = n.track AND a.removed_at IS NULL \
             JOIN refrain.tracks b ON b.number = n.of AND b.removed_at IS NULL \
             WHERE n.track = $1 OR n.of = $1 ORDER BY n.track, n.of";
        let rows: Vec<(i64, i64, f64)> = self.rows_as(sql, |query| query.bind(i64::from(track.0))).await?;
        let link = |(track, of, seconds)| {
            Ok(NearDuplicate { track: row::number(track)?, of: row::number(of)?, seconds })
        };
        rows.into_iter().map(link).collect::<Result<_, _>>().map_err(|error| self.name.error(error))
    }

    pub(super) async fn position(&self) -> Result<u64, CatalogError> {
        let rows: Vec<(i64,)> = self.rows_as("SELECT position FROM refrain.newest", |query| query).await?;
        // One row exists from the first migration on; without it, nothing can be written either.
        let newest = rows.first().ok_or_else(|| self.name.corrupt("its newest position is missing"))?;
        self.unsigned(newest.0)
    }

    pub(super) async fn changes_after(&self, after: u64, limit: u32) -> Result<Vec<Change>, CatalogError> {
        // Positions are stored as i64, so no change follows a greater one.
        let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
        let sql = "SELECT position, track, kind FROM refrain.changes WHERE position > $1 ORDER BY position LIMIT $2";
        let rows: Vec<(i64, i64, i16)> =
            self.rows_as(sql, |query| query.bind(after).bind(i64::from(limit))).await?;
        let change = |(position, track, kind)| {
            let kind = match kind {
                ADDED => ChangeKind::Added,
                REMOVED => ChangeKind::Removed,
                RELABELED => ChangeKind::Relabeled,
                other => return Err(self.name.corrupt(format!("change {position} has kind {other}"))),
            };
            let track = row::number(track).map_err(|error| self.name.error(error))?;
            Ok(Change { position: self.unsigned(position)?, track, kind })
        };
        rows.into_iter().map(change).collect()
    }

    pub(super) async fn packed(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, Vec<u8>)>, CatalogError> {
        let sql = "SELECT track, packed FROM refrain.constellations WHERE track = ANY($1)";
        let numbers = stored(numbers);
        let rows: Vec<(i64, Vec<u8>)> = self.rows_as(sql, |query| query.bind(&numbers)).await?;
        let pair = |(track, packed)| Ok((row::number(track)?, packed));
        rows.into_iter().map(pair).collect::<Result<_, _>>().map_err(|error| self.name.error(error))
    }

    pub(super) async fn constellation_sizes(
        &self,
        numbers: &[TrackNumber],
    ) -> Result<Vec<(TrackNumber, u64)>, CatalogError> {
        // The length of bytes that are stored out of line without compression is known without reading them.
        let sql = "SELECT track, length(packed)::bigint FROM refrain.constellations WHERE track = ANY($1)";
        let numbers = stored(numbers);
        let rows: Vec<(i64, i64)> = self.rows_as(sql, |query| query.bind(&numbers)).await?;
        let pair = |(track, size)| {
            Ok((row::number(track).map_err(|error| self.name.error(error))?, self.unsigned(size)?))
        };
        rows.into_iter().map(pair).collect()
    }

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
        rows.iter().map(|row| row::track(row, &self.name)).collect()
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

    pub(super) async fn rows_once(&self, statement: Statement) -> Result<Vec<PgRow>, CatalogError> {
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

fn stored(numbers: &[TrackNumber]) -> Vec<i64> {
    numbers.iter().map(|number| i64::from(number.0)).collect()
}

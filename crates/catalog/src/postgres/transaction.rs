//! One transaction on one connection of the pool.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};

use super::{PostgresCatalog, WRITER_LOCK};
use crate::CatalogError;

/// A transaction that has begun.
///
/// Where it is dropped before its end, because something failed or the call was dropped, its connection is thrown
/// away: nobody can know what that still has to say, and the server rolls back by itself.
pub(super) struct Transaction {
    connection: PoolConnection<Postgres>,
    ended: bool,
}

impl Transaction {
    async fn begin(catalog: &PostgresCatalog) -> Result<Self, sqlx::Error> {
        let mut begun = Self { connection: catalog.pool.acquire().await?, ended: false };
        sqlx::raw_sql(AssertSqlSafe(catalog.begin.clone())).execute(&mut *begun).await?;
        Ok(begun)
    }

    async fn end(mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("COMMIT").execute(&mut *self).await?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl PostgresCatalog {
    /// Begins to read.
    pub(super) async fn begin(&self) -> Result<Transaction, CatalogError> {
        Transaction::begin(self).await.map_err(|error| self.name.error(error))
    }

    /// Takes the writers' lock; other writers are waited for, but not for ever. What follows sees all that they
    /// did, since each statement looks anew.
    pub(super) async fn begin_writing(&self) -> Result<Transaction, CatalogError> {
        let mut transaction = self.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(WRITER_LOCK)
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.name.error(error))?;
        Ok(transaction)
    }

    /// Ends a transaction, whether it changed something or not.
    pub(super) async fn commit(&self, transaction: Transaction) -> Result<(), CatalogError> {
        transaction.end().await.map_err(|error| self.name.error(error))
    }
}

//! A transaction on a connection of the pool.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgPool};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};

use super::{PostgresCatalog, WRITER_LOCK};
use crate::{CatalogError, PostgresSettings};

/// Time after which the server ends an idle transaction. A writer whose machine died would otherwise block all others,
/// because the server cannot detect that a machine died. A transaction is also idle while index rows are packed or
/// merged in memory: at half this value, a slow machine can lose a batch that it still works on. At twice this value,
/// writers wait up to two minutes for the lock of a dead machine, longer than their own time limits.
const IDLE_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// A transaction that has begun.
///
/// If a transaction is dropped before its end, because of an error or because the call was dropped, its connection is
/// closed. The state of the protocol is unknown in this case, and the server rolls back when the connection ends.
#[derive(Debug)]
pub struct Transaction {
    connection: PoolConnection<Postgres>,
    ended: bool,
}

impl Transaction {
    async fn begin(pool: &PgPool, sql: Arc<str>) -> Result<Self, sqlx::Error> {
        // The value is created before BEGIN is sent, so that its drop closes the connection if the call is dropped
        // after that.
        let mut transaction = Self { connection: pool.acquire().await?, ended: false };
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
        Ok(transaction)
    }

    async fn end(mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("COMMIT").execute(&mut *self).await?;
        // The flag is set only after the response. An error or a drop before that leaves it unset, and the connection
        // is closed.
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

/// A statement with its parameters.
pub type Statement = Query<'static, Postgres, PgArguments>;

/// The SQL that begins transactions. The settings in it apply to one transaction only: behind PgBouncer, the next
/// transaction may use another connection, and another client may use this connection.
#[derive(Debug)]
pub(super) struct BeginStatements {
    pub(super) read: Arc<str>,
    pub(super) write: Arc<str>,
    /// Begins a transaction that changes the schema, without a time limit for statements.
    pub(super) upgrade: Arc<str>,
}

impl BeginStatements {
    pub(super) fn new(settings: &PostgresSettings) -> Self {
        // One string with several statements takes one round trip. READ COMMITTED, because a statement that follows the
        // lock must see the changes of earlier writers.
        let begin = |statement_timeout: Duration| {
            format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {}; \
                 SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {}",
                statement_timeout.as_millis(),
                settings.acquire_timeout.as_millis(),
                IDLE_TRANSACTION_TIMEOUT.as_millis(),
            )
        };
        let read = begin(settings.statement_timeout);
        // Committed changes must survive a power failure, whatever the default of the database is.
        let write = format!(
            "{read}; SELECT set_config('synchronous_commit', 'on', true) \
             WHERE current_setting('synchronous_commit') = 'off'; SELECT pg_advisory_xact_lock({WRITER_LOCK})"
        );
        Self { read: read.into(), write: write.into(), upgrade: begin(Duration::ZERO).into() }
    }
}

impl PostgresCatalog {
    /// Begins a transaction without the writers' lock.
    ///
    /// # Errors
    /// [`CatalogError`] if the database is unavailable.
    pub async fn begin(&self) -> Result<Transaction, CatalogError> {
        let transaction = Transaction::begin(&self.pool, self.begin.read.clone()).await;
        transaction.map_err(|error| self.name.error(error))
    }

    /// Begins a transaction and takes the writers' lock, waiting for other writers up to the lock timeout. The
    /// following statements read all changes of these writers, because each statement takes a new snapshot.
    pub(super) async fn begin_writing(&self) -> Result<Transaction, CatalogError> {
        let transaction = Transaction::begin(&self.pool, self.begin.write.clone()).await;
        transaction.map_err(|error| self.name.error(error))
    }

    /// Creates a query to bind parameters to.
    pub fn query(&self, sql: &'static str) -> Statement {
        // A named prepared statement stays in the session of the server, which a pooler passes on to other clients.
        sqlx::query(sql).persistent(self.prepared)
    }

    /// Commits a transaction. Transactions that changed nothing are committed too, because a drop closes the
    /// connection.
    ///
    /// # Errors
    /// [`CatalogError`] if the database became unavailable.
    pub async fn commit(&self, transaction: Transaction) -> Result<(), CatalogError> {
        transaction.end().await.map_err(|error| self.name.error(error))
    }
}

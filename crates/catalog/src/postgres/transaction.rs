//! One transaction on one connection of the pool.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgPool};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};

use super::{PostgresCatalog, WRITER_LOCK};
use crate::{CatalogError, PostgresSettings};

/// How long a transaction may stand still before the server ends it: a writer whose machine died would stop all
/// others, and the server alone cannot see that.
const IDLE_WAIT: Duration = Duration::from_secs(60);

/// A transaction that has begun.
///
/// Where it is dropped before its end, because something failed or the call was dropped, its connection is thrown
/// away: nobody can know what that still has to say, and the server rolls back by itself.
pub(super) struct Transaction {
    connection: PoolConnection<Postgres>,
    ended: bool,
}

impl Transaction {
    async fn begin(pool: &PgPool, sql: Arc<str>) -> Result<Self, sqlx::Error> {
        let mut begun = Self { connection: pool.acquire().await?, ended: false };
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *begun).await?;
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

/// A statement with its parameters.
pub(super) type Question = Query<'static, Postgres, PgArguments>;

/// The SQL that begins transactions. Nothing is set for longer than that: behind PgBouncer the next one may run on
/// another connection, and somebody else's on this one.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) read: Arc<str>,
    pub(super) write: Arc<str>,
    /// Where the schema is changed, which takes as long as it takes.
    pub(super) upgrade: Arc<str>,
}

impl Begin {
    pub(super) fn new(settings: &PostgresSettings) -> Self {
        let begin = |statement_timeout: Duration| {
            format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {}; \
                 SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {}",
                statement_timeout.as_millis(),
                settings.acquire_timeout.as_millis(),
                IDLE_WAIT.as_millis(),
            )
        };
        let read = begin(settings.statement_timeout);
        // What was committed has to survive a power cut, whatever the database does for others by default.
        let write = format!(
            "{read}; SELECT set_config('synchronous_commit', 'on', true) \
             WHERE current_setting('synchronous_commit') = 'off'; SELECT pg_advisory_xact_lock({WRITER_LOCK})"
        );
        Self { read: read.into(), write: write.into(), upgrade: begin(Duration::ZERO).into() }
    }
}

impl PostgresCatalog {
    /// Begins to read.
    pub(super) async fn begin(&self) -> Result<Transaction, CatalogError> {
        let begun = Transaction::begin(&self.pool, self.begin.read.clone()).await;
        begun.map_err(|error| self.name.error(error))
    }

    /// Takes the writers' lock; other writers are waited for, but not for ever. What follows sees all that they
    /// did, since each statement looks anew.
    pub(super) async fn begin_writing(&self) -> Result<Transaction, CatalogError> {
        let begun = Transaction::begin(&self.pool, self.begin.write.clone()).await;
        begun.map_err(|error| self.name.error(error))
    }

    /// A statement that is to be given parameters.
    pub(super) fn query(&self, sql: &'static str) -> Question {
        // What is prepared under a name stays with the server's connection, and a pooler gives that to others.
        sqlx::query(sql).persistent(self.prepared)
    }

    /// Ends a transaction, whether it changed something or not.
    pub(super) async fn commit(&self, transaction: Transaction) -> Result<(), CatalogError> {
        transaction.end().await.map_err(|error| self.name.error(error))
    }
}

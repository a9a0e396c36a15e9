//! The catalog in a PostgreSQL database, which several machines can use at the same time.
//!
//! Tracks, constellations and changes are tables of `migrations/postgres`, in a separate schema. Every call is one
//! transaction that leaves nothing behind in the session, so it works behind PgBouncer too. As with SQLite, a writer
//! first takes a lock of the whole catalog (`WRITER_LOCK`): changes become visible in order, without races and
//! deadlocks. Readers never block writers, and the `journal` does not need this lock.
//!
//! A call whose connection is lost is retried until the server is available again ([`Retry`]).
//!
//! The public items are for crates that derive data from the catalog and store it in the same database.

mod add;
mod address;
mod changes;
mod copy;
mod derived;
mod error;
mod health;
mod insert;
mod journal;
mod links;
mod listen;
mod migrate;
mod open;
mod plan;
mod read;
mod retry;
mod transaction;
mod tunnel;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPool};

use crate::{Catalog, CatalogError, Fact, Journal, PostgresSettings};
pub(crate) use address::address;
pub use copy::{CopyRows, copy_in};
use error::PostgresName;
use listen::LazyListener;
pub use retry::Retry;
use transaction::BeginStatements;
pub use transaction::{Statement, Transaction};
use tunnel::Tunnel;

/// Key of the advisory lock that a writer holds until the end of its transaction: "refrain!".
const WRITER_LOCK: i64 = i64::from_be_bytes(*b"refrain!");

/// A catalog in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresCatalog {
    name: PostgresName,
    options: PgConnectOptions,
    settings: PostgresSettings,
    pool: PgPool,
    begin: BeginStatements,
    /// True if named prepared statements may be used.
    prepared: bool,
    listener: LazyListener,
    /// Carries all connections if the server has a certificate that sqlx cannot use; `None` otherwise.
    _tunnel: Option<Tunnel>,
    identity: u128,
}

#[async_trait]
impl Catalog for PostgresCatalog {
    fn identity(&self) -> u128 {
        self.identity
    }

    fn journal(&self) -> &dyn Journal {
        self
    }

    fn postgres(self: Arc<Self>) -> Option<Arc<PostgresCatalog>> {
        Some(self)
    }

    async fn health(&self, thorough: bool) -> Result<Vec<Fact>, CatalogError> {
        self.check_health(thorough).await
    }

    // Closes all connections, after the calls that use them have ended.
    async fn close(&self) -> Result<(), CatalogError> {
        // First, because the listener has a separate connection that the pool does not close.
        self.listener.stop();
        self.pool.close().await;
        Ok(())
    }
}

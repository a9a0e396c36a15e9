//! The dependencies of a keeper of leases: the kind of its sessions, their owner, and the code that follows a session.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use refrain_catalog::{Catalog, CatalogError, Journal, Stream};
use tokio::sync::watch;

use super::order::TaskOrder;
use crate::counters::Counters;
use crate::instance::Instance;

/// Kind of sessions. Each kind has its own claims and its own owner of leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionKind {
    /// Sessions of live streams. Each claim counts as a death until the stream is confirmed to work, because the media
    /// of a stream can kill the process.
    Live,
    /// Sessions of streams whose segments are objects. Claims count no deaths: each object has attempts of its own.
    Segments,
}

/// Dependencies and settings of a keeper of leases.
pub(crate) struct KeeperContext {
    pub(crate) kind: SessionKind,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) instance: Arc<Instance>,
    /// Duration of a lease.
    pub(crate) lease: Duration,
    /// Maximum number of sessions of this process.
    pub(crate) capacity: u32,
}

/// Follows the sessions whose leases a keeper holds.
#[async_trait]
pub(crate) trait SessionHost: Send + Sync + 'static {
    /// Follows a session until it has ended or an order ends the task. If another process holds the lease, the keeper
    /// aborts the task.
    async fn follow(self: Arc<Self>, stream: Stream, orders: watch::Receiver<TaskOrder>);

    /// Returns the order for a session whose row contains an end that this process did not write.
    fn order_after_end(&self, row: &Stream) -> TaskOrder;

    /// Waits for an event that may have started a session. The keeper then claims without delay. The default
    /// implementation never returns.
    async fn started(&self) {
        pending::<()>().await;
    }
}

impl KeeperContext {
    /// Returns the owner of the leases.
    pub(super) fn owner(&self) -> &str {
        match self.kind {
            SessionKind::Live => self.instance.owner(),
            SessionKind::Segments => self.instance.archive_owner(),
        }
    }

    pub(super) fn journal(&self) -> &dyn Journal {
        self.catalog.journal()
    }

    /// Claims at most `limit` streams of the kind.
    pub(super) async fn claim(&self, limit: u32) -> Result<Vec<Stream>, CatalogError> {
        match self.kind {
            SessionKind::Live => self.journal().claim_streams(self.owner(), limit, self.lease).await,
            SessionKind::Segments => self.journal().claim_archives(self.owner(), limit, self.lease).await,
        }
    }
}

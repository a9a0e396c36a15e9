//! Slots for connections, which limit the number of connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::activity::Activity;

/// Maximum wait until the task of an evicted connection has closed it. The task only has to be scheduled, which takes
/// microseconds. At twice this value, a new connection waits up to 2 s if that task hangs.
const EVICTION_WAIT: Duration = Duration::from_secs(1);

/// Minimum time between two log lines about the limit of connections, because slow clients would fill the log. At half
/// this value, an attack writes two lines per minute; at twice this value, it writes one line in two minutes.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// All slots of a server.
pub(super) struct Slots {
    free: Arc<Semaphore>,
    open: Arc<Mutex<OpenConnections>>,
    max: usize,
    logged: Mutex<Option<Instant>>,
}

/// The connections that have slots.
#[derive(Default)]
struct OpenConnections {
    next: u64,
    connections: HashMap<u64, (Arc<Activity>, CancellationToken)>,
}

/// The slot of one connection. Dropping it frees the slot for another connection.
pub(super) struct ConnectionSlot {
    /// Activity of the connection.
    pub(super) activity: Arc<Activity>,
    /// Cancelled when the connection has to be closed for another one.
    pub(super) evicted: CancellationToken,
    number: u64,
    open: Arc<Mutex<OpenConnections>>,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub(super) fn new(max: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(max)), open: Arc::default(), max, logged: Mutex::default() }
    }

    /// Takes a free slot, or the slot of the connection that waits longest for a request. Returns `None` if all
    /// connections have requests, or if the evicted connection does not close in time.
    pub(super) async fn take(&self) -> Option<ConnectionSlot> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(self.slot(permit));
        }
        // The longest waiting connection is the least likely to be in use: clients that are active send requests.
        let evicted = self.evict();
        self.log(evicted);
        if !evicted {
            return None;
        }
        // The evicted task drops its slot when its token is cancelled, and with the slot its permit.
        let permit = timeout(EVICTION_WAIT, Arc::clone(&self.free).acquire_owned()).await.ok()?.ok()?;
        Some(self.slot(permit))
    }

    fn slot(&self, permit: OwnedSemaphorePermit) -> ConnectionSlot {
        let (activity, evicted) = (Arc::new(Activity::new()), CancellationToken::new());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let number = open.next;
        open.next += 1;
        open.connections.insert(number, (Arc::clone(&activity), evicted.clone()));
        drop(open);
        ConnectionSlot { activity, evicted, number, open: Arc::clone(&self.open), _permit: permit }
    }

    /// Cancels the token of the connection that waits longest for a request, so that its task closes the connection.
    /// Returns false if no connection waits for a request.
    fn evict(&self) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = open.connections.values().filter(|(_, evicted)| !evicted.is_cancelled());
        let waiting = waiting.filter_map(|(activity, evicted)| Some((activity.waiting_since()?, evicted)));
        let longest = waiting.min_by_key(|(since, _)| *since);
        longest.map(|(_, evicted)| evicted.cancel()).is_some()
    }

    fn log(&self, evicted: bool) {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.is_none_or(|last| last.elapsed() >= LOG_EVERY) {
            *logged = Some(Instant::now());
            let action = if evicted {
                "closed the longest idle connection for a new one"
            } else {
                "refused a new connection with status 503"
            };
            tracing::warn!(limit = self.max, action, "HTTP connection limit reached");
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).connections.remove(&self.number);
    }
}

//! Wakes the dispatcher when the outbox has new messages.

use std::sync::Arc;

use tokio::sync::watch;

/// Notifies the [`OutboxDispatcher`](super::OutboxDispatcher) of the same process that the outbox has new messages. The
/// dispatcher then does not wait for its next poll. Clones notify the same dispatcher.
///
/// A watch channel merges notifications: a thousand messages that are recorded at once cause one poll per sink.
#[derive(Debug, Clone, Default)]
pub struct Waker(Arc<watch::Sender<()>>);

impl Waker {
    /// Wakes the dispatcher. Call this after messages were recorded. Does nothing if no dispatcher is running.
    pub fn wake(&self) {
        self.0.send_replace(());
    }

    /// Returns a receiver of the notifications.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

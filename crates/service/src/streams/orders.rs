//! Passes the orders to the task of a stream on to the monitor.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;

use crate::sessions::TaskOrder;
use crate::wait::at;
use refrain_monitor::StreamHandle;

/// The event that ends a stream on its platform arrives before the last segments of the stream. They are decoded if
/// they arrive within this time and the playlist does not end before. It is the length of three segments of 5 s. At
/// half this value, the last seconds of a song can be missing; at twice this value, final events of streams without an
/// end in the playlist are 15 s later.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// The orders to a task. Each is passed on once.
pub(super) struct OrderForwarder {
    receiver: watch::Receiver<TaskOrder>,
    known: TaskOrder,
    /// Time at which a stream is stopped after [`TaskOrder::Drain`].
    drain_deadline: Option<time::Instant>,
}

impl OrderForwarder {
    pub(super) fn new(receiver: watch::Receiver<TaskOrder>) -> Self {
        Self { receiver, known: TaskOrder::Follow, drain_deadline: None }
    }

    /// Passes the orders on to the stream as long as it is polled. Never returns.
    pub(super) async fn forward(&mut self, handle: &StreamHandle) {
        loop {
            // Copied, because the closure below must not borrow `self` across the wait.
            let known = self.known;
            let new_order = tokio::select! {
                new_order = self.receiver.wait_for(|order| *order != known) => new_order.ok().map(|order| *order),
                () = at(self.drain_deadline) => {
                    self.drain_deadline = None;
                    // The playlist of some platforms never ends. Without this limit, the session would stay open.
                    handle.stop();
                    continue;
                }
            };
            match new_order {
                Some(order) => self.known = order,
                // The sender was dropped: the task is about to be aborted.
                None => pending().await,
            }
            match self.known {
                TaskOrder::Follow => {}
                TaskOrder::Drain => self.drain_deadline = Some(time::Instant::now() + DRAIN_TIMEOUT),
                TaskOrder::Finish => handle.stop(),
                TaskOrder::HandOver => handle.leave(),
            }
        }
    }
}

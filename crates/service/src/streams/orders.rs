//! Forwards the orders that the task of a stream receives (`TaskOrder`) to the monitor.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;

use crate::sessions::TaskOrder;
use crate::wait::at;
use refrain_monitor::StreamHandle;

/// Time for which a stream is followed after its platform has reported its end: the event of the platform arrives
/// before the last segments of the stream. If the playlist ends earlier, the stream ends with the playlist. The value
/// is the length of three segments of 5 s. At half this value, the last seconds of a song can be missing; at twice this
/// value, final events of streams without an end in the playlist are 15 s later.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// Forwards each order that the task of a stream receives to the monitor, once.
pub(super) struct OrderForwarder {
    receiver: watch::Receiver<TaskOrder>,
    known: TaskOrder,
    /// Time at which the stream is stopped after [`TaskOrder::Drain`]; `None` without this order.
    drain_deadline: Option<time::Instant>,
}

impl OrderForwarder {
    pub(super) fn new(receiver: watch::Receiver<TaskOrder>) -> Self {
        Self { receiver, known: TaskOrder::Follow, drain_deadline: None }
    }

    /// Applies the orders to the stream of `handle` as long as the returned future is polled. Never returns.
    pub(super) async fn forward(&mut self, handle: &StreamHandle) {
        loop {
            // Copied, because the closure below must not borrow `self` across the wait.
            let known = self.known;
            let new_order = tokio::select! {
                new_order = self.receiver.wait_for(|order| *order != known) => new_order.ok().map(|order| *order),
                () = at(self.drain_deadline) => {
                    self.drain_deadline = None;
                    // The playlists of some platforms have no end tag. Without this limit, the session would stay open.
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

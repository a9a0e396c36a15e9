//! Orders to the task of a stream.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;

use crate::wait::at;
use refrain_monitor::StreamHandle;

/// The event that ends a stream on its platform arrives before the last segments of the stream. They are decoded if they arrive
/// within this time and the playlist does not end before.
const LAST_SEGMENTS_WITHIN: Duration = Duration::from_secs(15);

/// An order to the task of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Follow the stream.
    Go,
    /// The stream has ended: process the media that still arrives, then end its airings.
    HearOut,
    /// The stream has ended: end its airings.
    Finish,
    /// Another worker continues the stream: leave its airings open.
    Leave,
}

/// The orders to a task. Each is passed on once.
pub(super) struct Orders {
    given: watch::Receiver<Order>,
    known: Order,
    /// Time at which a stream is stopped after [`Order::HearOut`].
    heard_out: Option<time::Instant>,
}

impl Orders {
    pub(super) fn new(given: watch::Receiver<Order>) -> Self {
        Self { given, known: Order::Go, heard_out: None }
    }

    /// Passes the orders on to the stream as long as it is polled. Never returns.
    pub(super) async fn pass_on(&mut self, handle: &StreamHandle) {
        loop {
            let known = self.known;
            let given = tokio::select! {
                given = self.given.wait_for(|order| *order != known) => given.ok().map(|order| *order),
                () = at(self.heard_out) => {
                    self.heard_out = None;
                    handle.stop();
                    continue;
                }
            };
            match given {
                Some(order) => self.known = order,
                // The sender was dropped: the task is about to be aborted.
                None => pending().await,
            }
            match self.known {
                Order::Go => {}
                Order::HearOut => self.heard_out = Some(time::Instant::now() + LAST_SEGMENTS_WITHIN),
                Order::Finish => handle.stop(),
                Order::Leave => handle.leave(),
            }
        }
    }
}

/// Waits until an order ends the task.
pub(super) async fn ordered(orders: &mut watch::Receiver<Order>) {
    // The sender was dropped: the task is about to be aborted.
    if orders.wait_for(|order| *order != Order::Go).await.is_err() {
        pending::<()>().await;
    }
}

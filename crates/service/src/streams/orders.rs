//! Orders to the task of a stream.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;

use crate::monitor::StreamHandle;
use crate::wait::at;

/// The event that a platform ends a stream arrives before the stream's last segments. They are decoded if they arrive within
/// this time and the playlist does not end before.
const LAST_SEGMENTS_WITHIN: Duration = Duration::from_secs(15);

/// What a stream's task is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Follow it.
    Go,
    /// It is over: what is still to come of it is heard, then its airings end.
    HearOut,
    /// It is over: its airings end.
    Finish,
    /// Others go on with it: its airings stay open.
    Leave,
}

/// The orders that a task gets. Each is passed on once.
pub(super) struct Orders {
    given: watch::Receiver<Order>,
    known: Order,
    /// When a stream that is heard out is stopped.
    heard_out: Option<time::Instant>,
}

impl Orders {
    pub(super) fn new(given: watch::Receiver<Order>) -> Self {
        Self { given, known: Order::Go, heard_out: None }
    }

    /// Passes on what is ordered, as long as this is awaited. It does not return.
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
                // Without anybody who orders the task is about to be aborted.
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

/// Waits for an order to end.
pub(super) async fn ordered(orders: &mut watch::Receiver<Order>) {
    // Without anybody who orders the task is about to be aborted.
    if orders.wait_for(|order| *order != Order::Go).await.is_err() {
        pending::<()>().await;
    }
}

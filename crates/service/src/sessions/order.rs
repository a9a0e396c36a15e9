//! Orders to the task of a session.

use std::future::pending;

use tokio::sync::watch;

/// An order to the task of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskOrder {
    /// Follow the session.
    Follow,
    /// The session has ended: process the media that still arrives, then end its airings.
    Drain,
    /// The session has ended: end its airings.
    Finish,
    /// Another worker continues the session: end the task and leave the airings open.
    HandOver,
}

/// Waits until an order ends the task.
pub(crate) async fn end_ordered(orders: &mut watch::Receiver<TaskOrder>) {
    // The sender was dropped: the task is about to be aborted.
    if orders.wait_for(|order| *order != TaskOrder::Follow).await.is_err() {
        pending::<()>().await;
    }
}

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

/// Makes the monitor leave the stream when this guard is dropped.
struct LeaveOnDrop(StreamHandle);

impl Drop for LeaveOnDrop {
    fn drop(&mut self) {
        // The stream is left, not stopped: a task that was aborted has lost its lease, and the airings belong to
        // another worker.
        self.0.leave();
    }
}

/// Passes each order on to a stream once. Runs in its own task, so that an order takes effect even while the database
/// is unavailable. Never returns. If it is dropped, the monitor leaves the stream.
pub(super) async fn forward(stream: StreamHandle, mut orders: watch::Receiver<TaskOrder>) {
    let stream = LeaveOnDrop(stream);
    let mut known = TaskOrder::Follow;
    // Time at which the stream is stopped after `TaskOrder::Drain`.
    let mut drain_deadline = None;
    loop {
        let current = known;
        let new_order = tokio::select! {
            new_order = orders.wait_for(|order| *order != current) => new_order.ok().map(|order| *order),
            () = at(drain_deadline) => {
                drain_deadline = None;
                // The playlists of some platforms have no end tag. Without this limit, the session would stay open.
                stream.0.stop();
                continue;
            }
        };
        match new_order {
            Some(order) => known = order,
            // The sender was dropped: the task is about to be aborted.
            None => pending().await,
        }
        match known {
            TaskOrder::Follow => {}
            TaskOrder::Drain => drain_deadline = Some(time::Instant::now() + DRAIN_TIMEOUT),
            TaskOrder::Finish => stream.0.stop(),
            TaskOrder::HandOver => stream.0.leave(),
        }
    }
}

//! The running parts of a process, grouped by the order in which they end.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ShutdownOutcome;

/// Time limit for the last HTTP responses, and for closing the catalog. Both take milliseconds, unless a client or the
/// database hangs. At half this value, a slow response of the API is cut off; at twice this value, a hanging client
/// delays each shutdown by 2 s, on top of the drain time.
pub(super) const FINAL_RESPONSES_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum share of the remaining time that a stage may take, because later stages also need time. The last two stages
/// may take all of it. With the default of 25 s, the first stage gets 15 s and the second at least 6 s. At 0.3, streams
/// are aborted while they write their last events; at 0.9, a stage that hangs leaves the outbox almost no time.
const MAX_STAGE_SHARE: f64 = 0.6;

/// Stages of the shutdown. They end in this order. The parts of [`Self::Files`] are stopped at the start of the
/// shutdown, those of each other stage after the previous stage has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ShutdownStage {
    /// Consumers of the queues that add and remove streams, and the retention job.
    QueueConsumers,
    /// Streams; their leases are released.
    Streams,
    /// Files; they are finished or their messages are released.
    Files,
    /// Delivery of the outbox.
    Outbox,
    /// Monitoring of the process itself.
    Watch,
}

impl ShutdownStage {
    const ALL: [Self; 5] = [Self::QueueConsumers, Self::Streams, Self::Files, Self::Outbox, Self::Watch];
}

/// The running parts.
pub(super) struct Stages {
    tasks: Vec<(ShutdownStage, &'static str, JoinHandle<()>)>,
    stops: [(ShutdownStage, CancellationToken); ShutdownStage::ALL.len()],
    ended: mpsc::UnboundedSender<&'static str>,
    dead: mpsc::UnboundedReceiver<&'static str>,
}

/// Reports the end of a part when this value is dropped, even if the part panicked.
struct EndNotice(mpsc::UnboundedSender<&'static str>, &'static str);

impl Drop for EndNotice {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

impl Stages {
    pub(super) fn new() -> Self {
        let (ended, dead) = mpsc::unbounded_channel();
        Self {
            tasks: Vec::new(),
            stops: ShutdownStage::ALL.map(|stage| (stage, CancellationToken::new())),
            ended,
            dead,
        }
    }

    /// Returns the token that stops the parts of a stage.
    pub(super) fn stop(&self, stage: ShutdownStage) -> CancellationToken {
        let found = self.stops.iter().find(|(other, _)| *other == stage);
        found.map(|(_, stop)| stop.clone()).unwrap_or_default()
    }

    /// Starts a part. The part is stopped with the other parts of its stage.
    pub(super) fn start<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        stage: ShutdownStage,
        name: &'static str,
        part: impl FnOnce(CancellationToken) -> F,
    ) {
        // The task drops the notice when it ends, which sends the message. A message after `part.await` would be
        // missing after a panic.
        let notice = EndNotice(self.ended.clone(), name);
        let part = part(self.stop(stage));
        let task = tokio::spawn(async move {
            let _notice = notice;
            part.await;
        });
        self.tasks.push((stage, name, task));
    }

    /// Waits until a part ends although it was not stopped, and returns its name.
    pub(super) async fn unexpected_end(&mut self) -> &'static str {
        match self.dead.recv().await {
            Some(name) => name,
            // The channel never closes: this type holds a sender itself.
            None => std::future::pending().await,
        }
    }

    /// Stops the parts of [`ShutdownStage::Files`] at once, and the parts of the other stages one stage after the
    /// other. Aborts parts that are still running when the time of their stage or `deadline` is over.
    pub(super) async fn end(self, deadline: Instant) -> ShutdownOutcome {
        // The files are stopped first: while the streams release their leases, each file is finished or its message is
        // released.
        self.stop(ShutdownStage::Files).cancel();
        let mut ended = ShutdownOutcome::InTime;
        let mut tasks = self.tasks;
        for (stage, stop) in &self.stops {
            stop.cancel();
            // The share is computed from what is left, so a stage that ends early gives its time to the later ones.
            let left = deadline.saturating_duration_since(Instant::now());
            let until = match stage {
                // Nothing follows that could use the rest of the time.
                ShutdownStage::Outbox | ShutdownStage::Watch => deadline,
                _ => Instant::now() + left.mul_f64(MAX_STAGE_SHARE),
            };
            let (now, later) = tasks.into_iter().partition(|(other, _, _)| other == stage);
            tasks = later;
            if !wait(now, until).await {
                ended = ShutdownOutcome::Late;
            }
        }
        ended
    }
}

/// Waits for tasks until `until`, then aborts those that have not ended. Returns true if none was aborted.
async fn wait(tasks: Vec<(ShutdownStage, &'static str, JoinHandle<()>)>, until: Instant) -> bool {
    let mut in_time = true;
    for (_, name, mut task) in tasks {
        match tokio::time::timeout_at(until, &mut task).await {
            Ok(Ok(())) => tracing::debug!(part = name, "part of the service ended"),
            Ok(Err(error)) => {
                tracing::error!(
                    part = name,
                    %error,
                    "part of the service panicked, a bug in refrain; its leases and claims expire; please report this \
                     with the log"
                );
            }
            Err(_) => {
                tracing::warn!(
                    part = name,
                    "part of the service did not end in time, aborting it; its leases and claims expire, then its work \
                     is repeated"
                );
                // An aborted part leaves leases and claims that expire. So its work is repeated, not lost.
                task.abort();
                in_time = false;
            }
        }
    }
    in_time
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn parts_end_stage_by_stage_and_hanging_parts_are_aborted() {
        let order = Arc::<Mutex<Vec<&str>>>::default();
        let mut stages = Stages::new();
        for (stage, name) in [
            (ShutdownStage::Outbox, "outbox"),
            (ShutdownStage::QueueConsumers, "queue consumers"),
            (ShutdownStage::Streams, "streams"),
        ] {
            let order = Arc::clone(&order);
            stages.start(stage, name, |stop| async move {
                stop.cancelled().await;
                order.lock().unwrap().push(name);
            });
        }
        assert_eq!(stages.end(Instant::now() + Duration::from_secs(60)).await, ShutdownOutcome::InTime);
        assert_eq!(*order.lock().unwrap(), ["queue consumers", "streams", "outbox"]);

        let order = Arc::<Mutex<Vec<&str>>>::default();
        let mut stages = Stages::new();
        stages.start(ShutdownStage::Streams, "hangs", |_| std::future::pending());
        let order_of_end = Arc::clone(&order);
        stages.start(ShutdownStage::Outbox, "outbox", |stop| async move {
            stop.cancelled().await;
            order_of_end.lock().unwrap().push("outbox");
        });
        assert_eq!(stages.end(Instant::now() + Duration::from_millis(200)).await, ShutdownOutcome::Late);
        assert_eq!(*order.lock().unwrap(), ["outbox"], "the later stage still has time");
    }

    #[tokio::test]
    async fn unexpected_end_of_a_part_is_noticed() {
        let mut stages = Stages::new();
        stages.start(ShutdownStage::Watch, "stays", |stop| async move { stop.cancelled().await });
        stages.start(ShutdownStage::Streams, "returns", |_| async {});
        assert_eq!(stages.unexpected_end().await, "returns");
        stages.start(ShutdownStage::Files, "panics", |_| async { panic!("on purpose") });
        assert_eq!(stages.unexpected_end().await, "panics");
    }
}

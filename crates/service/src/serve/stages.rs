//! The running parts of a process, grouped by the order in which they end.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Ended;

/// Time limit for the last HTTP responses, and for closing the catalog.
pub(super) const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Maximum share of the remaining time that a stage may take, because later stages need some too. The last two stages may take
/// all of it.
const SHARE: f64 = 0.6;

/// Stages of the shutdown, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Consumers of the queues that add and remove streams, and the janitor.
    Intake,
    /// Streams; their leases are released.
    Streams,
    /// Files; they are finished or their messages are released.
    Files,
    /// Delivery of the outbox.
    Outbox,
    /// Monitoring of the process itself.
    Watch,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Intake, Self::Streams, Self::Files, Self::Outbox, Self::Watch];
}

/// The running parts.
pub(super) struct Stages {
    tasks: Vec<(Stage, &'static str, JoinHandle<()>)>,
    stops: [(Stage, CancellationToken); Stage::ALL.len()],
    ended: mpsc::UnboundedSender<&'static str>,
    dead: mpsc::UnboundedReceiver<&'static str>,
}

/// Reports that a part has ended when it is dropped, also by a panic of the part.
struct Tell(mpsc::UnboundedSender<&'static str>, &'static str);

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

impl Stages {
    pub(super) fn new() -> Self {
        let (ended, dead) = mpsc::unbounded_channel();
        Self {
            tasks: Vec::new(),
            stops: Stage::ALL.map(|stage| (stage, CancellationToken::new())),
            ended,
            dead,
        }
    }

    /// Returns the token that stops the parts of a stage.
    pub(super) fn stop(&self, stage: Stage) -> CancellationToken {
        let found = self.stops.iter().find(|(other, _)| *other == stage);
        found.map(|(_, stop)| stop.clone()).unwrap_or_default()
    }

    /// Starts a part. It is stopped with its stage.
    pub(super) fn begin<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        stage: Stage,
        name: &'static str,
        part: impl FnOnce(CancellationToken) -> F,
    ) {
        let tell = Tell(self.ended.clone(), name);
        let part = part(self.stop(stage));
        let task = tokio::spawn(async move {
            let _tell = tell;
            part.await;
        });
        self.tasks.push((stage, name, task));
    }

    /// Waits until a part ends although it was not stopped, and returns its name.
    pub(super) async fn died(&mut self) -> &'static str {
        match self.dead.recv().await {
            Some(name) => name,
            None => std::future::pending().await,
        }
    }

    /// Stops all parts, stage by stage, until `deadline`.
    pub(super) async fn end(self, deadline: Instant) -> Ended {
        // The message of each file is released or the file is finished while streams release their leases.
        self.stop(Stage::Files).cancel();
        let mut ended = Ended::InTime;
        let mut tasks = self.tasks;
        for (stage, stop) in &self.stops {
            stop.cancel();
            let left = deadline.saturating_duration_since(Instant::now());
            let until = match stage {
                Stage::Outbox | Stage::Watch => deadline,
                _ => Instant::now() + left.mul_f64(SHARE),
            };
            let (now, later) = tasks.into_iter().partition(|(other, _, _)| other == stage);
            tasks = later;
            if !wait(now, until).await {
                ended = Ended::Late;
            }
        }
        ended
    }
}

/// Waits for tasks until `until`, then aborts those that have not ended. Returns true if none was aborted.
async fn wait(tasks: Vec<(Stage, &'static str, JoinHandle<()>)>, until: Instant) -> bool {
    let mut in_time = true;
    for (_, name, mut task) in tasks {
        match tokio::time::timeout_at(until, &mut task).await {
            Ok(Ok(())) => tracing::debug!(part = name, "part ended"),
            Ok(Err(error)) => tracing::error!(part = name, %error, "part panicked"),
            Err(_) => {
                tracing::warn!(part = name, "part did not end in time, aborting it");
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
        for (stage, name) in
            [(Stage::Outbox, "outbox"), (Stage::Intake, "intake"), (Stage::Streams, "streams")]
        {
            let order = Arc::clone(&order);
            stages.begin(stage, name, |stop| async move {
                stop.cancelled().await;
                order.lock().unwrap().push(name);
            });
        }
        assert_eq!(stages.end(Instant::now() + Duration::from_secs(60)).await, Ended::InTime);
        assert_eq!(*order.lock().unwrap(), ["intake", "streams", "outbox"]);

        let order = Arc::<Mutex<Vec<&str>>>::default();
        let mut stages = Stages::new();
        stages.begin(Stage::Streams, "hangs", |_| std::future::pending());
        let told = Arc::clone(&order);
        stages.begin(Stage::Outbox, "outbox", |stop| async move {
            stop.cancelled().await;
            told.lock().unwrap().push("outbox");
        });
        assert_eq!(stages.end(Instant::now() + Duration::from_millis(200)).await, Ended::Late);
        assert_eq!(*order.lock().unwrap(), ["outbox"], "the later stage still has time");
    }

    #[tokio::test]
    async fn unexpected_end_of_a_part_is_noticed() {
        let mut stages = Stages::new();
        stages.begin(Stage::Watch, "stays", |stop| async move { stop.cancelled().await });
        stages.begin(Stage::Streams, "returns", |_| async {});
        assert_eq!(stages.died().await, "returns");
        stages.begin(Stage::Files, "panics", |_| async { panic!("on purpose") });
        assert_eq!(stages.died().await, "panics");
    }
}

//! Parts that run, by the order in which they end.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Ended;

/// Time for the last answers of HTTP, and for closing the catalogue.
pub(super) const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Share of the time that is left that a stage may take, but for the last one: what comes after it needs some too.
const SHARE: f64 = 0.6;

/// Parts end stage by stage, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// What takes in streams, and with it all that only looks.
    Intake,
    /// Streams: their leases go back.
    Streams,
    /// Files: they are finished or given back.
    Files,
    /// Results are delivered.
    Outbox,
    /// What only looks on.
    Watch,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Intake, Self::Streams, Self::Files, Self::Outbox, Self::Watch];
}

/// Parts that run.
pub(super) struct Stages {
    tasks: Vec<(Stage, &'static str, JoinHandle<()>)>,
    stops: [(Stage, CancellationToken); Stage::ALL.len()],
    ended: mpsc::UnboundedSender<&'static str>,
    dead: mpsc::UnboundedReceiver<&'static str>,
}

/// Tells that a part is over, whether it returned or panicked.
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

    /// What tells the parts of a stage to end.
    pub(super) fn stop(&self, stage: Stage) -> CancellationToken {
        let found = self.stops.iter().find(|(other, _)| *other == stage);
        found.map(|(_, stop)| stop.clone()).unwrap_or_default()
    }

    /// Runs a part, which ends with its stage.
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

    /// Waits until a part ends by itself, which none should.
    pub(super) async fn died(&mut self) -> &'static str {
        match self.dead.recv().await {
            Some(name) => name,
            None => std::future::pending().await,
        }
    }

    /// Ends all parts, stage by stage, by then.
    pub(super) async fn end(self, deadline: Instant) -> Ended {
        // Files that are being worked on are given back or finished while streams are handed back.
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

/// Waits for tasks; those that take too long are given up. Whether there were none.
async fn wait(tasks: Vec<(Stage, &'static str, JoinHandle<()>)>, until: Instant) -> bool {
    let mut in_time = true;
    for (_, name, mut task) in tasks {
        match tokio::time::timeout_at(until, &mut task).await {
            Ok(Ok(())) => tracing::debug!(part = name, "ended"),
            Ok(Err(error)) => tracing::error!(part = name, %error, "ended by a panic"),
            Err(_) => {
                tracing::warn!(part = name, "took too long to end and is given up");
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
    async fn parts_end_stage_by_stage_and_those_that_hang_are_given_up() {
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
        assert_eq!(*order.lock().unwrap(), ["outbox"], "what comes after has its time");
    }

    #[tokio::test]
    async fn a_part_that_ends_by_itself_is_noticed() {
        let mut stages = Stages::new();
        stages.begin(Stage::Watch, "stays", |stop| async move { stop.cancelled().await });
        stages.begin(Stage::Streams, "returns", |_| async {});
        assert_eq!(stages.died().await, "returns");
        stages.begin(Stage::Files, "panics", |_| async { panic!("on purpose") });
        assert_eq!(stages.died().await, "panics");
    }
}

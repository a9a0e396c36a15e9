//! The outbox dispatcher delivers the messages of the outbox to their sinks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::Catalog;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::error::SinkConfigError;
use super::sink_worker::{DeliveryPolicy, SinkWorker};
use super::sinks::{SharedLineWriter, SinkContext};
use super::waker::Waker;
use crate::cloud::CloudServices;
use crate::counters::Counters;
use crate::settings::OutboxSettings;

/// Delivers the messages of the outbox. Each sink is served independently: a sink that is down does not delay the
/// messages to other sinks.
///
/// Any number of dispatchers may work on one outbox; each message is claimed by one of them. If a process is killed
/// before it has recorded a delivery, another process claims the message after the claim has expired. So a sink can
/// receive a message twice, and has to recognize the second one by the name of the message. Messages to sinks that are
/// not configured stay in the outbox until the retention job marks them as dead.
pub struct OutboxDispatcher {
    workers: Vec<SinkWorker>,
    waker: Waker,
}

impl OutboxDispatcher {
    /// Creates a dispatcher for the sinks of `settings`. `drain` is the time that the dispatcher has to finish after a
    /// stop.
    ///
    /// # Errors
    /// [`SinkConfigError`] if a sink cannot be used as it is configured.
    pub fn new(
        catalog: &Arc<dyn Catalog>,
        settings: &OutboxSettings,
        cloud: &CloudServices,
        drain: Duration,
        counters: &Arc<Counters>,
    ) -> Result<Self, SinkConfigError> {
        Self::with_lines(catalog, settings, cloud, drain, counters, SharedLineWriter::default())
    }

    /// Creates a dispatcher as [`OutboxDispatcher::new`] does, with `lines` in place of standard output.
    ///
    /// # Errors
    /// The same as those of [`OutboxDispatcher::new`].
    pub fn with_lines(
        catalog: &Arc<dyn Catalog>,
        settings: &OutboxSettings,
        cloud: &CloudServices,
        drain: Duration,
        counters: &Arc<Counters>,
        lines: SharedLineWriter,
    ) -> Result<Self, SinkConfigError> {
        let waker = Waker::default();
        let context = SinkContext { cloud, http: &settings.http, lines };
        let policy = DeliveryPolicy {
            parallel: settings.parallel.max(1),
            max_pause: settings.max_pause,
            give_up: settings.give_up,
            drain,
        };
        let sink_worker = |settings| {
            let sink = context.sink(settings)?;
            Ok(SinkWorker::new(settings.name.clone(), sink, catalog.clone(), policy, counters.clone()))
        };
        let workers = settings.sinks.iter().map(sink_worker).collect::<Result<_, _>>()?;
        Ok(Self { workers, waker })
    }

    /// Returns a handle that wakes this dispatcher.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Delivers messages until `stop` is cancelled. Then continues with the messages that are due until the drain time
    /// is over, and releases the claims of undelivered messages.
    pub async fn run(self, stop: CancellationToken) {
        // One task per sink: a sink that hangs blocks only its own task, and a panic in one does not stop the others.
        let (mut workers, mut sinks) = (JoinSet::new(), HashMap::new());
        for sink_worker in self.workers {
            let sink = sink_worker.name().to_owned();
            let task = workers.spawn(sink_worker.run(self.waker.subscribe(), stop.clone()));
            sinks.insert(task.id(), sink);
        }
        while let Some(ended) = workers.join_next().await {
            if let Err(error) = ended {
                let sink = sinks.get(&error.id());
                tracing::error!(
                    sink,
                    %error,
                    "the worker of the sink panicked, a bug in refrain; this process delivers no messages of the sink \
                     until it is restarted; please report this with the log"
                );
            }
        }
    }
}

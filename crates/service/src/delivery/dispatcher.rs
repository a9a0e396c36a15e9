//! The outbox dispatcher delivers the messages of the outbox to their sinks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::Catalog;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::error::SinkConfigError;
use super::sink_worker::{DeliveryPolicy, SinkWorker};
use super::sinks::{SharedLineWriter, Sink, SinkContext};
use super::waker::Waker;
use crate::cloud::CloudServices;
use crate::counters::Counters;
use crate::settings::{OutboxSettings, SinkSettings};

/// Delivers the messages of the outbox. Each sink is served independently: a sink that is down does not delay the
/// messages to other sinks.
///
/// Any number of dispatchers may work on one outbox; each message is claimed by one of them. If a process is killed
/// before it has recorded a delivery, another process claims the message after the claim has expired. So a sink can
/// receive a message twice, and has to recognize the second one by the name of the message. Messages to sinks that are
/// not configured stay in the outbox until the retention job marks them as dead.
pub struct OutboxDispatcher {
    catalog: Arc<dyn Catalog>,
    counters: Arc<Counters>,
    policy: DeliveryPolicy,
    control: SinkControl,
    waker: Waker,
    /// The sinks with a worker, by name.
    running: HashMap<String, RunningSink>,
    workers: JoinSet<()>,
    /// The sinks of the workers, by the ids of their tasks.
    names: HashMap<Id, String>,
}

/// Replaces the sinks of a dispatcher. Clones replace the sinks of the same dispatcher.
#[derive(Clone)]
pub struct SinkControl {
    context: Arc<SinkContext>,
    wanted: Arc<watch::Sender<Vec<OpenSink>>>,
}

/// A sink that is ready for deliveries.
#[derive(Clone)]
struct OpenSink {
    settings: SinkSettings,
    sink: Arc<dyn Sink>,
}

/// A sink with a worker.
struct RunningSink {
    settings: SinkSettings,
    stop: CancellationToken,
}

impl SinkControl {
    /// Replaces the sinks. Sinks with unchanged settings continue without an interruption. A sink that was changed or
    /// removed finishes the deliveries in progress as at the end of the process.
    ///
    /// # Errors
    /// [`SinkConfigError`] if a sink cannot be used as it is configured; all sinks then stay as they are.
    pub fn set(&self, sinks: &[SinkSettings]) -> Result<(), SinkConfigError> {
        let open = |settings: &SinkSettings| {
            let known = self.wanted.borrow().iter().find(|known| known.settings == *settings).cloned();
            let new = || Ok(OpenSink { settings: settings.clone(), sink: self.context.sink(settings)? });
            known.map_or_else(new, Ok)
        };
        let sinks = sinks.iter().map(open).collect::<Result<_, _>>()?;
        self.wanted.send_replace(sinks);
        Ok(())
    }
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
        let policy = DeliveryPolicy {
            parallel: settings.parallel.max(1),
            max_pause: settings.max_pause,
            give_up: settings.give_up,
            drain,
        };
        let context = SinkContext { cloud: cloud.clone(), http: settings.http.clone(), lines };
        let control = SinkControl { context: Arc::new(context), wanted: Arc::default() };
        control.set(&settings.sinks)?;
        Ok(Self {
            catalog: Arc::clone(catalog),
            counters: Arc::clone(counters),
            policy,
            control,
            waker: Waker::default(),
            running: HashMap::new(),
            workers: JoinSet::new(),
            names: HashMap::new(),
        })
    }

    /// Returns a handle that wakes this dispatcher.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Returns a handle that replaces the sinks of this dispatcher.
    #[must_use]
    pub fn control(&self) -> SinkControl {
        self.control.clone()
    }

    /// Delivers messages until `stop` is cancelled. Then continues with the messages that are due until the drain time
    /// is over, and releases the claims of undelivered messages.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut wanted = self.control.wanted.subscribe();
        loop {
            // Also if `stop` is cancelled already: workers deliver due messages before they end.
            let sinks = wanted.borrow_and_update().clone();
            self.apply(&sinks, &stop);
            tokio::select! {
                () = stop.cancelled() => break,
                _ = wanted.changed() => {}
                Some(ended) = self.workers.join_next_with_id() => self.note_end(ended),
            }
        }
        while let Some(ended) = self.workers.join_next_with_id().await {
            self.note_end(ended);
        }
    }

    /// Starts workers for new and changed sinks, and stops those of changed and removed ones.
    fn apply(&mut self, sinks: &[OpenSink], stop: &CancellationToken) {
        self.running.retain(|_, running| {
            let is_wanted = sinks.iter().any(|open| open.settings == running.settings);
            if !is_wanted {
                running.stop.cancel();
            }
            is_wanted
        });
        for OpenSink { settings, sink } in sinks {
            if self.running.contains_key(&settings.name) {
                continue;
            }
            let stop = stop.child_token();
            let (catalog, counters) = (Arc::clone(&self.catalog), Arc::clone(&self.counters));
            let name = settings.name.clone();
            let worker = SinkWorker::new(name.clone(), Arc::clone(sink), catalog, self.policy, counters);
            // One task per sink: a sink that hangs blocks only its own task, and a panic in one does not stop the
            // others.
            let task = self.workers.spawn(worker.run(self.waker.subscribe(), stop.clone()));
            self.names.insert(task.id(), name.clone());
            self.running.insert(name, RunningSink { settings: settings.clone(), stop });
        }
    }

    fn note_end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let sink = self.names.remove(&id);
        if let Err(error) = ended {
            tracing::error!(
                sink,
                %error,
                "the worker of the sink panicked, a bug in refrain; this process delivers no messages of the sink \
                 until it is restarted; please report this with the log"
            );
        }
    }
}

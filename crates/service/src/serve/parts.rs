//! The parts of a process and their requirements.

use std::sync::Arc;

use refrain_catalog::Catalog;

use super::reload::SettingsReload;
use super::{ProcessContext, ProcessPlan, ServeError, ShutdownStage, Stages};
use crate::clock::SystemClock;
use crate::cloud::{CloudServices, Queue};
use crate::delivery::{OutboxDispatcher, OutboxPlanner, RetentionJob, SinkControl};
use crate::files::{self, Files};
use crate::instance::Instance;
use crate::queue_consumer::{Consumer, Handler};
use crate::settings::{ServiceSettings, SinkKind};
use crate::streams::{self, Streams};
use refrain_monitor::{FollowedIndex, Monitor};

/// Returns an error if a role or a sink lacks something that it needs: a queue, a bucket, an address or AWS.
pub(super) fn check(settings: &ServiceSettings, cloud: &CloudServices) -> Result<(), ServeError> {
    let needs = |role: &str, what: &str| Err(ServeError::Needs(format!("{role} needs {what}")));
    let roles = settings.roles;
    if roles.check && cloud.check.is_none() {
        return needs(
            "the role check",
            "a queue: set queues.check (REFRAIN_QUEUES_CHECK), or leave the role out",
        );
    }
    if roles.index && cloud.index.is_none() {
        return needs(
            "the role index",
            "a queue: set queues.index (REFRAIN_QUEUES_INDEX), or leave the role out",
        );
    }
    if (roles.check || roles.index) && cloud.objects.is_none() {
        return needs(
            "a role that reads files",
            "buckets: configure the access to AWS, or leave the roles check and index out",
        );
    }
    // A process without an address would start, and the API would be missing without any message.
    if roles.api && settings.http.listen.is_none() {
        return needs(
            "the role api",
            "an address: set http.listen (REFRAIN_HTTP_LISTEN), or leave the role out",
        );
    }
    for sink in &settings.outbox.sinks {
        let missing = match sink.kind {
            SinkKind::S3 { .. } => cloud.objects.is_none(),
            SinkKind::Sns { .. } => cloud.topics.is_none(),
            _ => false,
        };
        if missing {
            return needs(
                &format!("the sink {:?}", sink.name),
                "AWS: configure the access to AWS, or remove the sink",
            );
        }
    }
    Ok(())
}

/// The plan of the process, its shared state, catalog, index and identity, from which its parts are created.
pub(super) struct ProcessParts<'a> {
    pub(super) plan: ProcessPlan,
    pub(super) shared: &'a ProcessContext,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) index: FollowedIndex,
    pub(super) instance: Arc<Instance>,
}

impl ProcessParts<'_> {
    /// Starts all parts that the roles of this process need. Parts that deliver are started before parts that produce
    /// detections.
    pub(super) fn start(self) -> Result<Stages, ServeError> {
        // The outbox starts first: the other parts get a planner that wakes the dispatcher.
        let mut stages = Stages::new();
        self.watch(&mut stages);
        let (planner, sinks) = self.deliver(&mut stages)?;
        let streams = match self.plan.settings.roles.monitor {
            true => Some(self.follow(&mut stages, planner.clone())?),
            false => None,
        };
        let watch = Arc::clone(&self.shared.watch);
        let reload = SettingsReload { planner: planner.clone(), sinks, streams, watch };
        let reloaded = self.plan.reloaded.clone();
        stages.start(ShutdownStage::QueueConsumers, "settings", |stop| reload.run(reloaded, stop));
        if self.plan.settings.roles.check || self.plan.settings.roles.index {
            self.files(&mut stages, planner)?;
        }
        Ok(stages)
    }

    fn watch(&self, stages: &mut Stages) {
        let (watch, catalog) = (Arc::clone(&self.shared.watch), Arc::clone(&self.catalog));
        stages.start(ShutdownStage::Watch, "database watch", |stop| watch.database(catalog, stop));
        if let Some(settings) = self.plan.settings.emf.clone() {
            let (watch, lines) = (Arc::clone(&self.shared.watch), Arc::clone(&self.plan.lines));
            stages.start(ShutdownStage::Watch, "metrics", |stop| watch.emf(settings, lines, stop));
        }
    }

    /// Starts the retention job and the dispatcher. Returns the planner of messages, which wakes the dispatcher, and the
    /// handle that replaces the sinks.
    fn deliver(&self, stages: &mut Stages) -> Result<(OutboxPlanner, SinkControl), ServeError> {
        let ProcessPlan { settings, cloud, .. } = &self.plan;
        // The dispatcher ends last. Its drain time is fixed, and does not depend on the time that is left for its
        // stage. If the earlier stages leave half of the time, all claims are released before the task of the
        // dispatcher is aborted.
        let drain = settings.drain / 2;
        let retention = RetentionJob::new(Arc::clone(&self.catalog), settings.retention.clone());
        stages.start(ShutdownStage::QueueConsumers, "retention", |stop| retention.run(stop));
        if settings.outbox.sinks.is_empty() {
            tracing::warn!("no sink is configured, detections are stored in the catalog but not delivered");
        }
        let dispatcher =
            OutboxDispatcher::new(&self.catalog, &settings.outbox, cloud, drain, &self.shared.counters)
                .map_err(|error| ServeError::Settings(error.to_string()))?;
        let planner = OutboxPlanner::new(&settings.outbox.sinks).with_waker(dispatcher.waker());
        let sinks = dispatcher.control();
        stages.start(ShutdownStage::Outbox, "outbox dispatcher", |stop| dispatcher.run(stop));
        Ok((planner, sinks))
    }

    /// Starts the work on streams, and returns it.
    fn follow(&self, stages: &mut Stages, planner: OutboxPlanner) -> Result<Streams, ServeError> {
        let ProcessPlan { settings, cloud, .. } = &self.plan;
        let monitor = Monitor::new(self.index.clone(), settings.streams.monitor.clone())?;
        let parts = streams::StreamsParts {
            catalog: Arc::clone(&self.catalog),
            monitor,
            channels: cloud.channels.clone(),
            planner,
            counters: Arc::clone(&self.shared.counters),
            instance: Arc::clone(&self.instance),
            clock: Arc::new(SystemClock),
        };
        let streams = Streams::new(parts, settings.streams.clone())
            .map_err(|error| ServeError::Settings(error.to_string()))?;
        // The HTTP server started before the streams existed, so the source of their status is set now.
        let status_source = streams.clone();
        self.shared.watch.set_statuses(Arc::new(move || status_source.statuses()));
        let (handler, running) = (streams.handler(), streams.clone());
        stages.start(ShutdownStage::Streams, "streams", |stop| running.run(stop));
        self.consume(
            stages,
            ShutdownStage::QueueConsumers,
            "queues.streams",
            cloud.streams.as_ref(),
            &handler,
        );
        self.consume(
            stages,
            ShutdownStage::QueueConsumers,
            "queues.medialive",
            cloud.medialive.as_ref(),
            &handler,
        );
        Ok(streams)
    }

    fn files(&self, stages: &mut Stages, planner: OutboxPlanner) -> Result<(), ServeError> {
        let ProcessPlan { settings, cloud, .. } = &self.plan;
        // `check` has ensured this before any part was started.
        let Some(objects) = cloud.objects.clone() else { return Ok(()) };
        let parts = files::FilesParts {
            catalog: Arc::clone(&self.catalog),
            index: Arc::new(self.index.clone()),
            objects,
            planner,
            counters: Arc::clone(&self.shared.counters),
            instance: Arc::clone(&self.instance),
            lease: settings.streams.lease,
            clock: Arc::new(SystemClock),
            roles: settings.roles,
            live: (settings.streams.monitor.live.clone(), settings.streams.events.clone()),
        };
        let files = Files::new(parts, settings.files.clone()).map_err(ServeError::Threads)?;
        let handler = files.handler();
        let check = cloud.check.as_ref().filter(|_| settings.roles.check);
        let index = cloud.index.as_ref().filter(|_| settings.roles.index);
        self.consume(stages, ShutdownStage::Files, "queues.check", check, &handler);
        self.consume(stages, ShutdownStage::Files, "queues.index", index, &handler);
        // This part also runs without the role `check`: it then follows no streams of segments, but compares new
        // tracks, and finishes files at the shutdown.
        stages.start(ShutdownStage::Files, "files", |stop| files.run(stop));
        Ok(())
    }

    /// Starts a consumer of the queue. Does nothing if the queue is `None`.
    fn consume(
        &self,
        stages: &mut Stages,
        stage: ShutdownStage,
        name: &'static str,
        queue: Option<&Arc<dyn Queue>>,
        handler: &Arc<dyn Handler>,
    ) {
        if let Some(queue) = queue {
            let counters = Arc::clone(&self.shared.counters);
            let consumer = Consumer::new(Arc::clone(queue), Arc::clone(handler), counters);
            stages.start(stage, name, |stop| consumer.run(stop));
        }
    }
}

//! The parts of a process and their requirements.

use std::sync::Arc;

use refrain_catalog::Catalog;

use super::{Plan, ServeError, Shared, Stage, Stages};
use crate::delivery::{Courier, Janitor, Planner};
use crate::files::{self, Files};
use crate::instance::Instance;
use crate::intake::{Consumer, Handler};
use crate::outside::{Outside, Queue};
use crate::settings::{ServiceSettings, SinkKind};
use crate::streams::{self, Streams};
use refrain_monitor::{FollowedIndex, Monitor};

/// Returns an error if a role or a sink lacks a queue, buckets, an address or AWS.
pub(super) fn check(settings: &ServiceSettings, outside: &Outside) -> Result<(), ServeError> {
    let needs = |role: &str, what: &str| Err(ServeError::Needs(format!("{role} needs {what}")));
    let roles = settings.roles;
    if roles.check && outside.check.is_none() {
        return needs(
            "the role check",
            "a queue: set queues.check (REFRAIN_QUEUES_CHECK), or leave the role out",
        );
    }
    if roles.index && outside.index.is_none() {
        return needs(
            "the role index",
            "a queue: set queues.index (REFRAIN_QUEUES_INDEX), or leave the role out",
        );
    }
    if (roles.check || roles.index) && outside.objects.is_none() {
        return needs("a role that reads files", "buckets, which are not configured");
    }
    if roles.api && settings.http.listen.is_none() {
        return needs(
            "the role api",
            "an address: set http.listen (REFRAIN_HTTP_LISTEN), or leave the role out",
        );
    }
    for sink in &settings.outbox.sinks {
        let missing = match sink.kind {
            SinkKind::S3 { .. } => outside.objects.is_none(),
            SinkKind::Sns { .. } => outside.topics.is_none(),
            _ => false,
        };
        if missing {
            return needs(&format!("the sink {:?}", sink.name), "AWS, which is not configured");
        }
    }
    Ok(())
}

/// Everything that the parts are created from.
pub(super) struct Parts<'a> {
    pub(super) plan: Plan,
    pub(super) shared: &'a Shared,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) index: FollowedIndex,
    pub(super) instance: Arc<Instance>,
}

impl Parts<'_> {
    /// Starts all parts that this process has. Parts that deliver are started before parts that produce detections.
    pub(super) fn begin(self) -> Result<Stages, ServeError> {
        let mut stages = Stages::new();
        self.watch(&mut stages);
        let planner = self.deliver(&mut stages)?;
        if self.plan.settings.roles.monitor {
            self.follow(&mut stages, planner.clone())?;
        }
        if self.plan.settings.roles.check || self.plan.settings.roles.index {
            self.files(&mut stages, planner)?;
        }
        Ok(stages)
    }

    fn watch(&self, stages: &mut Stages) {
        let (watch, catalog) = (Arc::clone(&self.shared.watch), Arc::clone(&self.catalog));
        stages.begin(Stage::Watch, "database watch", |stop| watch.database(catalog, stop));
        if let Some(settings) = self.plan.settings.emf.clone() {
            let (watch, lines) = (Arc::clone(&self.shared.watch), Arc::clone(&self.plan.lines));
            stages.begin(Stage::Watch, "metrics", |stop| watch.emf(settings, lines, stop));
        }
    }

    /// Starts the janitor and the courier. Returns the planner of deliveries, which wakes the courier.
    fn deliver(&self, stages: &mut Stages) -> Result<Planner, ServeError> {
        let Plan { settings, outside, .. } = &self.plan;
        // The courier ends last. The streams and the files leave it at least half of the time.
        let drain = settings.drain / 2;
        let janitor = Janitor::new(Arc::clone(&self.catalog), settings.keep.clone());
        stages.begin(Stage::Intake, "janitor", |stop| janitor.run(stop));
        if settings.outbox.sinks.is_empty() {
            tracing::warn!("no sink is configured, detections are stored but not delivered");
            return Ok(Planner::default());
        }
        let courier = Courier::new(&self.catalog, &settings.outbox, outside, drain, &self.shared.measures)
            .map_err(|error| ServeError::Settings(error.to_string()))?;
        let planner = Planner::new(&settings.outbox.sinks).waking(courier.waker());
        stages.begin(Stage::Outbox, "courier", |stop| courier.run(stop));
        Ok(planner)
    }

    fn follow(&self, stages: &mut Stages, planner: Planner) -> Result<(), ServeError> {
        let Plan { settings, outside, .. } = &self.plan;
        let monitor = Monitor::new(self.index.clone(), settings.streams.monitor.clone())?;
        let parts = streams::Parts {
            catalog: Arc::clone(&self.catalog),
            monitor,
            channels: outside.channels.clone(),
            planner,
            measures: Arc::clone(&self.shared.measures),
            instance: Arc::clone(&self.instance),
        };
        let streams = Streams::new(parts, settings.streams.clone())
            .map_err(|error| ServeError::Settings(error.to_string()))?;
        let shown = streams.clone();
        self.shared.watch.look_at(Arc::new(move || shown.statuses()));
        let handler = streams.handler();
        stages.begin(Stage::Streams, "streams", |stop| streams.run(stop));
        self.consume(stages, Stage::Intake, "queues.streams", outside.streams.as_ref(), &handler);
        self.consume(stages, Stage::Intake, "queues.medialive", outside.medialive.as_ref(), &handler);
        Ok(())
    }

    fn files(&self, stages: &mut Stages, planner: Planner) -> Result<(), ServeError> {
        let Plan { settings, outside, .. } = &self.plan;
        // `check` has ensured this before any part was started.
        let Some(objects) = outside.objects.clone() else { return Ok(()) };
        let parts = files::Parts {
            catalog: Arc::clone(&self.catalog),
            index: Arc::new(self.index.clone()),
            objects,
            planner,
            measures: Arc::clone(&self.shared.measures),
            instance: Arc::clone(&self.instance),
            roles: settings.roles,
            live: (settings.streams.monitor.live.clone(), settings.streams.events.clone()),
        };
        let files = Files::new(parts, settings.files.clone()).map_err(ServeError::Threads)?;
        let handler = files.handler();
        let check = outside.check.as_ref().filter(|_| settings.roles.check);
        let index = outside.index.as_ref().filter(|_| settings.roles.index);
        self.consume(stages, Stage::Files, "queues.check", check, &handler);
        self.consume(stages, Stage::Files, "queues.index", index, &handler);
        // The part runs without the role `check` too: it does not follow streams of segments then, but ends the indexing of
        // files.
        stages.begin(Stage::Files, "files", |stop| files.run(stop));
        Ok(())
    }

    /// Starts a consumer of the queue, if there is one.
    fn consume(
        &self,
        stages: &mut Stages,
        stage: Stage,
        name: &'static str,
        queue: Option<&Arc<dyn Queue>>,
        handler: &Arc<dyn Handler>,
    ) {
        if let Some(queue) = queue {
            let measures = Arc::clone(&self.shared.measures);
            let consumer = Consumer::new(Arc::clone(queue), Arc::clone(handler), measures);
            stages.begin(stage, name, |stop| consumer.run(stop));
        }
    }
}

//! Which parts a process has, and what they need.

use std::sync::Arc;

use refrain_catalog::Catalog;

use super::{Plan, ServeError, Shared, Stage, Stages};
use crate::monitor::FollowedIndex;
use crate::outside::Outside;
use crate::settings::{ServiceSettings, SinkKind};

/// Refuses roles and sinks that lack what they work on.
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

/// What parts are made of.
pub(super) struct Parts<'a> {
    pub(super) plan: Plan,
    pub(super) shared: &'a Shared,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) index: FollowedIndex,
}

impl Parts<'_> {
    /// Begins all parts that this process has.
    pub(super) fn begin(self) -> Result<Stages, ServeError> {
        let mut stages = Stages::new();
        self.watch(&mut stages);
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
}

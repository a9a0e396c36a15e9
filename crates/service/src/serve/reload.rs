//! Applies settings that change while the process runs.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::watch::Watch;
use crate::delivery::{OutboxPlanner, SinkControl};
use crate::settings::{ReloadableSettings, SinkSettings};
use crate::streams::Streams;

/// Applies changed streams and sinks to the running parts of a process.
pub(super) struct SettingsReload {
    pub(super) planner: OutboxPlanner,
    pub(super) sinks: SinkControl,
    /// Work on streams; `None` without the role `monitor`.
    pub(super) streams: Option<Streams>,
    pub(super) watch: Arc<Watch>,
}

impl SettingsReload {
    /// Applies each change until `stop` is cancelled.
    pub(super) async fn run(
        self,
        mut reloaded: watch::Receiver<ReloadableSettings>,
        stop: CancellationToken,
    ) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = reloaded.changed() => if changed.is_err() {
                    // Nothing can change the settings any more.
                    return stop.cancelled().await;
                },
            }
            let settings = reloaded.borrow_and_update().clone();
            self.apply(settings);
        }
    }

    fn apply(&self, ReloadableSettings { streams, sinks }: ReloadableSettings) {
        // Invalid sinks do not prevent a change of the streams.
        self.set_sinks(&sinks);
        tracing::info!(streams = streams.len(), sinks = sinks.len(), "settings reloaded");
        if let Some(followed) = &self.streams {
            followed.set_fixed(streams);
        }
    }

    fn set_sinks(&self, sinks: &[SinkSettings]) {
        if let Err(error) = self.sinks.set(sinks) {
            tracing::error!(%error, "cannot use the sinks of the changed settings, keeping the previous ones");
            return;
        }
        self.planner.set_sinks(sinks);
        self.watch.set_sinks(sinks.iter().map(|sink| sink.name.clone()).collect());
    }
}

//! Tests of the rows of streams: events, lists and settings create and end them.

mod alerts;
mod followed;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::Catalog;
use refrain_service::queue_consumer::Disposition;
use refrain_service::settings::StreamsSettings;

use crate::memory_cloud::MemoryChannels;
use crate::process::{Process, fast_settings, row, sqlite};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3600);

/// A process that follows no streams and only maintains the rows.
struct Rows {
    _folder: tempfile::TempDir,
    catalog: Arc<dyn Catalog>,
    channels: Arc<MemoryChannels>,
    process: Process,
}

impl Rows {
    async fn with(settings: StreamsSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = sqlite(folder.path()).await;
        let channels = Arc::new(MemoryChannels::default());
        let process = Process::start(&catalog, "one", Some(channels.clone()), settings);
        Self { _folder: folder, catalog, channels, process }
    }

    async fn new() -> Self {
        Self::with(fast_settings(0, LONG)).await
    }

    async fn handle(&self, body: &str) -> Disposition {
        self.process.streams.handler().handle(body).await
    }

    /// Returns the session of a stream, and true if it has not ended.
    async fn state(&self, id: &str) -> Option<(Option<String>, bool)> {
        row(&self.catalog, id).await.map(|row| (row.session, row.ended_at.is_none()))
    }
}

/// Returns the state of a stream with the session `name`.
fn session(name: &str, is_live: bool) -> Option<(Option<String>, bool)> {
    Some((Some(name.to_owned()), is_live))
}

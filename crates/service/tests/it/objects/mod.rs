//! Tests of files that are dropped into a bucket.

mod archive;
mod batch;
mod bucket;
mod check;
mod index;
mod leases;

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::Catalog;
use refrain_core::index::Snapshot;
use refrain_core::matching::MatchSettings;
use refrain_core::matching::live::LiveSettings;
use refrain_monitor::EventKind;
use refrain_service::clock::SystemClock;
use refrain_service::counters::Counters;
use refrain_service::delivery::OutboxPlanner;
use refrain_service::files::{Files, FilesParts};
use refrain_service::instance::Instance;
use refrain_service::queue_consumer::Disposition;
use refrain_service::settings::{DetectionOrigin, FilesSettings, Roles, SinkFormat, SinkKind, SinkSettings};
use refrain_testkit::{RATE, write_wav};
use serde_json::json;

use crate::process::sqlite;
use crate::songs::library;
use bucket::Bucket;

/// A process that handles files, with its catalog and its bucket.
struct BucketTest {
    _folder: tempfile::TempDir,
    catalog: Arc<dyn Catalog>,
    bucket: Arc<Bucket>,
    counters: Arc<Counters>,
    files: Files,
}

/// Lease duration of streams of segments, the minimum of the settings.
const LEASE: Duration = Duration::from_secs(3);

const BOTH: Roles = Roles { monitor: false, check: true, index: true, api: false };

fn settings() -> FilesSettings {
    FilesSettings {
        source: Some("b".to_owned()),
        index_prefix: "songs_to_index/".to_owned(),
        check_prefix: "songs_to_check/".to_owned(),
        streams_prefix: "songs_to_check/streams/".to_owned(),
        name_modifier: "_1".to_owned(),
        max_object_bytes: 50_000_000,
        segment_wait: Duration::from_millis(400),
        stream_end: Duration::from_millis(1500),
        jobs: 2,
        matching: MatchSettings::default(),
    }
}

/// Creates a process whose index contains the two songs of the test library.
fn files(catalog: &Arc<dyn Catalog>, bucket: &Arc<Bucket>, counters: &Arc<Counters>, name: &str) -> Files {
    files_with(catalog, bucket, counters, name, settings(), || Arc::clone(&library().snapshot))
}

fn files_with(
    catalog: &Arc<dyn Catalog>,
    bucket: &Arc<Bucket>,
    counters: &Arc<Counters>,
    name: &str,
    settings: FilesSettings,
    index: impl Fn() -> Arc<Snapshot> + Send + Sync + 'static,
) -> Files {
    let sink = |name: &str, format| SinkSettings {
        name: name.to_owned(),
        kind: SinkKind::Stdout,
        from: vec![DetectionOrigin::Archive, DetectionOrigin::File],
        format,
    };
    let parts = FilesParts {
        catalog: Arc::clone(catalog),
        index: Arc::new(index),
        objects: bucket.clone(),
        planner: OutboxPlanner::new(&[sink("all", SinkFormat::Response), sink("song", SinkFormat::Song)]),
        counters: Arc::clone(counters),
        instance: Arc::new(Instance::new(name)),
        lease: LEASE,
        clock: Arc::new(SystemClock),
        roles: BOTH,
        live: (LiveSettings::default(), vec![EventKind::Start, EventKind::Final]),
    };
    Files::new(parts, settings).unwrap()
}

impl BucketTest {
    async fn new() -> Self {
        Self::with(settings(), || Arc::clone(&library().snapshot)).await
    }

    async fn with(
        settings: FilesSettings,
        index: impl Fn() -> Arc<Snapshot> + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = sqlite(folder.path()).await;
        let (bucket, counters) = (Arc::default(), Arc::default());
        let files = files_with(&catalog, &bucket, &counters, "one", settings, index);
        Self { _folder: folder, catalog, bucket, counters, files }
    }

    async fn handle(&self, body: &str) -> Disposition {
        self.files.handler().handle(body).await
    }

    /// Handles the event that this object was created.
    async fn created(&self, key: &str) -> Disposition {
        self.handle(&created(key)).await
    }
}

/// Returns EventBridge's event for a created object.
fn created(key: &str) -> String {
    json!({"version": "0", "detail-type": "Object Created", "source": "aws.s3", "detail": {
        "bucket": {"name": "b"}, "object": {"key": key, "size": 1, "etag": "x", "sequencer": "00"},
        "reason": "PutObject"}})
    .to_string()
}

/// Encodes samples as a WAV file.
fn wav(samples: &[f32]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    write_wav(&path, samples, RATE).unwrap();
    std::fs::read(path).unwrap()
}

//! Processes that follow streams and share a database.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{
    AddOutcome, Catalog, ContentHash, Detection, DetectionSource, Metadata, NewStream, NewTrack,
    OutboxFilter, OutboxMessage, StoredDetection, Stream,
};
use refrain_monitor::{AudioPreferences, EventKind, GiveUpBudget, Monitor, MonitorSettings, SourceSettings};
use refrain_net::{HttpSettings, RequestHeaders, TransferLimits};
use refrain_service::clock::SystemClock;
use refrain_service::cloud::Channels;
use refrain_service::counters::Counters;
use refrain_service::delivery::OutboxPlanner;
use refrain_service::instance::Instance;
use refrain_service::settings::{
    DetectionOrigin, FixedStream, SinkFormat, SinkKind, SinkSettings, StreamsSettings,
};
use refrain_service::streams::{Streams, StreamsParts};
use refrain_stream::hls::HlsSettings;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::songs::{SECONDS, library};

/// Maximum time to wait for an expected state.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// The live streams part of a process.
pub(crate) struct Process {
    pub(crate) streams: Streams,
    pub(crate) counters: Arc<Counters>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Process {
    pub(crate) fn start(
        catalog: &Arc<dyn Catalog>,
        name: &str,
        channels: Option<Arc<dyn Channels>>,
        settings: StreamsSettings,
    ) -> Self {
        Self::with_format(catalog, name, channels, settings, SinkFormat::Response)
    }

    /// Starts a process whose sink has this format.
    pub(crate) fn with_format(
        catalog: &Arc<dyn Catalog>,
        name: &str,
        channels: Option<Arc<dyn Channels>>,
        settings: StreamsSettings,
        format: SinkFormat,
    ) -> Self {
        let sink = SinkSettings {
            name: "sink".to_owned(),
            kind: SinkKind::Stdout,
            from: vec![DetectionOrigin::Live],
            format,
        };
        let monitor = Monitor::new(|| Arc::clone(&library().snapshot), settings.monitor.clone()).unwrap();
        let counters = Arc::new(Counters::default());
        let parts = StreamsParts {
            catalog: Arc::clone(catalog),
            monitor,
            channels,
            planner: OutboxPlanner::new(&[sink]),
            counters: Arc::clone(&counters),
            instance: Arc::new(Instance::new(name)),
            clock: Arc::new(SystemClock),
        };
        let streams = Streams::new(parts, settings).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(streams.clone().run(stop.clone()));
        Self { streams, counters, stop, task }
    }

    /// Ends the process as `kill -9` does: no events are written and no leases are released.
    pub(crate) fn kill(self) {
        self.task.abort();
    }

    /// Ends the process as SIGTERM does.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(DEADLINE, self.task).await.expect("the process does not end").unwrap();
    }

    /// Returns the number of its streams of which at least `segments` segments were decoded.
    pub(crate) fn count_decoding(&self, segments: u64) -> usize {
        let statuses = self.streams.statuses();
        statuses.iter().filter(|(_, status)| status.decoder.segments >= segments).count()
    }
}

/// Settings with short intervals.
pub(crate) fn fast_settings(capacity: u32, lease: Duration) -> StreamsSettings {
    let ms = Duration::from_millis;
    let hls = HlsSettings {
        reload: (ms(10), ms(15)),
        retry: (ms(5), ms(20)),
        segment: TransferLimits { bytes: 1 << 20, total: ms(5000) },
        segment_timeout: ms(500),
        resolve_pause: ms(20),
        stalled_after: 5.0,
        allow_private: true,
        ..HlsSettings::default()
    };
    let mut monitor = MonitorSettings {
        source: SourceSettings {
            hls,
            give_up: GiveUpBudget { before_audio: ms(60_000), after_audio: ms(20_000) },
            ..SourceSettings::default()
        },
        http: HttpSettings { read_timeout: ms(1000), ..HttpSettings::default() },
        ..MonitorSettings::default()
    };
    monitor.live.update_seconds = Some(5.0);
    StreamsSettings {
        capacity,
        lease,
        monitor,
        events: vec![EventKind::Start, EventKind::Final],
        alerts: false,
        channels: Vec::new(),
        reconcile: None,
        private_key: None,
        token: Duration::from_secs(300),
        calls_per_second: 100.0,
        medialive: [].into(),
        fixed: Vec::new(),
    }
}

/// Returns a stream of the settings with request headers, one per line.
pub(crate) fn fixed_stream(id: &str, url: &str, lines: &str) -> FixedStream {
    let mut headers = RequestHeaders::default();
    headers.push_lines(lines).unwrap();
    FixedStream {
        id: id.to_owned(),
        url: url.to_owned(),
        headers,
        preferences: AudioPreferences::default(),
        health: None,
    }
}

/// Opens a catalog and adds the two songs.
pub(crate) async fn catalog(url: &str) -> Arc<dyn Catalog> {
    with_songs(refrain_catalog::open(url).await.unwrap()).await
}

/// Adds the two songs to a catalog.
pub(crate) async fn with_songs(catalog: Arc<dyn Catalog>) -> Arc<dyn Catalog> {
    for n in 1..=2_u8 {
        let song = NewTrack {
            id: None,
            source: format!("song {n}.wav"),
            content: ContentHash([n; 32]),
            seconds: SECONDS,
            metadata: Metadata { title: Some(format!("Song {n}")), ..Metadata::default() },
            rule: None,
            constellation: vec![n; 10],
        };
        match catalog.add(song).await.unwrap() {
            AddOutcome::Added(track) => assert_eq!(track.number.0, u32::from(n)),
            other => panic!("{other:?}"),
        }
    }
    catalog
}

pub(crate) async fn sqlite(folder: &Path) -> Arc<dyn Catalog> {
    catalog(&format!("sqlite:{}", folder.join("catalog.db").display())).await
}

/// Adds a stream, as the API does.
pub(crate) async fn add(catalog: &Arc<dyn Catalog>, id: &str, url: &str) {
    let new = NewStream {
        id: id.to_owned(),
        url: url.to_owned(),
        headers: None,
        origin: "api".to_owned(),
        session: None,
        started_at: 1000,
    };
    catalog.journal().start_stream(&new).await.unwrap();
}

pub(crate) async fn row(catalog: &Arc<dyn Catalog>, id: &str) -> Option<Stream> {
    catalog.journal().stream(id).await.unwrap()
}

/// Returns all streams, including those that have ended.
pub(crate) async fn rows(catalog: &Arc<dyn Catalog>) -> Vec<Stream> {
    let filter = refrain_catalog::StreamFilter { over: true, ..Default::default() };
    catalog.journal().streams(&filter, None, 1000).await.unwrap()
}

/// Returns the detections in a stream.
pub(crate) async fn detections(catalog: &Arc<dyn Catalog>, name: &str) -> Vec<Detection> {
    stored_detections(catalog, name).await.into_iter().map(|stored| stored.detection).collect()
}

pub(crate) async fn stored_detections(catalog: &Arc<dyn Catalog>, name: &str) -> Vec<StoredDetection> {
    let detected_in = DetectionSource::Stream(name.to_owned());
    catalog.journal().detections_between(&detected_in, i64::MIN, i64::MAX, None, 1000).await.unwrap()
}

/// Returns the messages in the outbox.
pub(crate) async fn outbox(catalog: &Arc<dyn Catalog>) -> Vec<OutboxMessage> {
    catalog.journal().deliveries(&OutboxFilter::default(), None, 10_000).await.unwrap()
}

/// Waits until a condition is true.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let waited = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, waited).await.unwrap_or_else(|_| panic!("never: {what}"));
}

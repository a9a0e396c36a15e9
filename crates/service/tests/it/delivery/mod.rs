//! Tests of the outbox and its sinks, with a real journal and real dispatchers.

mod dispatcher;
mod folder;
mod objects;
mod plan;
mod webhook;

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Local, TimeZone, Utc};
use refrain_catalog::{Catalog, DeliveryStatus, DetectionId, NewOutboxMessage, OutboxFilter, OutboxMessage};
use refrain_net::HttpSettings;
use refrain_service::cloud::CloudServices;
use refrain_service::counters::Counters;
use refrain_service::delivery::{DetectionEvent, OutboxDispatcher, OutboxPlanner, SharedLineWriter, Waker};
use refrain_service::settings::{DetectionOrigin, OutboxSettings, SinkFormat, SinkKind, SinkSettings};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Maximum time to wait for an expected state.
const DEADLINE: Duration = Duration::from_secs(30);

/// A catalog in a temporary folder, with the other parts that dispatchers need.
struct OutboxTest {
    catalog: Arc<dyn Catalog>,
    counters: Arc<Counters>,
    cloud: CloudServices,
    lines: Written,
    folder: TempDir,
}

impl OutboxTest {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("catalog.db").display());
        let catalog = refrain_catalog::open(&url).await.unwrap();
        let (counters, cloud) = (Arc::default(), CloudServices::default());
        Self { catalog, counters, cloud, lines: Written::default(), folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn dispatcher(&self, settings: &OutboxSettings) -> OutboxDispatcher {
        let (lines, drain) = (SharedLineWriter::to(self.lines.clone()), Duration::from_secs(3));
        OutboxDispatcher::with_lines(&self.catalog, settings, &self.cloud, drain, &self.counters, lines)
            .unwrap()
    }

    /// Starts a dispatcher.
    fn begin(&self, settings: &OutboxSettings) -> RunningDispatcher {
        let dispatcher = self.dispatcher(settings);
        let (waker, stop) = (dispatcher.waker(), CancellationToken::new());
        RunningDispatcher { waker, task: tokio::spawn(dispatcher.run(stop.clone())), stop }
    }

    /// Writes the messages that the planner creates for these responses to the outbox, as if at the time `at`.
    async fn enqueue_responses_at(&self, sinks: &[SinkSettings], bodies: &[&str], at: i64) {
        let planner = OutboxPlanner::new(sinks);
        for (number, body) in bodies.iter().enumerate() {
            let detection_event =
                DetectionEvent { number: number as u64, response: body, ..detection_event() };
            self.put(&planner.deliveries(&detection_event), at).await;
        }
    }

    async fn enqueue_responses(&self, sinks: &[SinkSettings], bodies: &[&str]) {
        self.enqueue_responses_at(sinks, bodies, now()).await;
    }

    async fn put(&self, messages: &[NewOutboxMessage], at: i64) {
        self.catalog.journal().enqueue(messages, at).await.unwrap();
    }

    async fn listed(&self, status: Option<DeliveryStatus>) -> Vec<OutboxMessage> {
        let filter = OutboxFilter { sink: None, status };
        self.catalog.journal().deliveries(&filter, None, 10_000).await.unwrap()
    }

    async fn waiting(&self) -> Vec<OutboxMessage> {
        self.listed(Some(DeliveryStatus::Waiting)).await
    }

    /// Waits until exactly `count` messages have this status.
    async fn until(&self, status: DeliveryStatus, count: usize) -> Vec<OutboxMessage> {
        self.until_some(async || Some(self.listed(Some(status)).await).filter(|all| all.len() == count)).await
    }

    /// Waits for the first waiting message with a failed attempt.
    async fn until_failed(&self) -> OutboxMessage {
        self.until_some(async || self.waiting().await.into_iter().find(|one| one.last_error.is_some())).await
    }

    async fn until_some<T>(&self, look: impl AsyncFn() -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(DEADLINE, looking).await {
            Ok(found) => found,
            Err(_) => panic!("the expected state never occurred: {:#?}", self.listed(None).await),
        }
    }
}

/// A running dispatcher.
struct RunningDispatcher {
    waker: Waker,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl RunningDispatcher {
    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap();
    }
}

/// Everything that was written to standard output.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Settings with short pauses.
fn outbox(sinks: &[SinkSettings]) -> OutboxSettings {
    let max_pause = Duration::from_millis(20);
    OutboxSettings {
        sinks: sinks.to_vec(),
        max_pause,
        give_up: Duration::from_secs(3600),
        parallel: 4,
        http: HttpSettings::default(),
    }
}

fn sink(name: &str, kind: SinkKind) -> SinkSettings {
    SinkSettings { name: name.into(), kind, from: vec![DetectionOrigin::Live], format: SinkFormat::Response }
}

fn folder_sink(path: &Path, key: &str) -> SinkSettings {
    sink("folder", SinkKind::Folder { path: path.to_owned(), key: key.into() })
}

/// An evening in May, in the local time of the machine.
fn evening() -> DateTime<Local> {
    Utc.with_ymd_and_hms(2023, 5, 23, 23, 57, 55).unwrap().with_timezone(&Local)
}

/// The start event of a song in a stream.
fn detection_event() -> DetectionEvent<'static> {
    DetectionEvent {
        from: DetectionOrigin::Live,
        stream_id: "st-1",
        channel: None,
        detection: Some(DetectionId(uuid::Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001))),
        event: "start",
        number: 0,
        at: evening(),
        response: "{\"statusCode\":2006}",
        song: None,
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Returns all files below a folder, as path and content, ordered by path.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
        } else {
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

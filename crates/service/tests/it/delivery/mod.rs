//! Tests of the outbox and its sinks, with a real journal and real couriers.

mod courier;
mod folder;
mod objects;
mod plan;
mod webhook;

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Local, TimeZone, Utc};
use refrain_catalog::{Catalog, Delivery, DeliveryFilter, DeliveryStatus, DetectionId, NewDelivery};
use refrain_service::delivery::{Courier, Lines, News, Planner, Waker};
use refrain_service::measure::Measures;
use refrain_service::outside::Outside;
use refrain_service::settings::{Format, From, OutboxSettings, SinkKind, SinkSettings};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Maximum time to wait for an expected state.
const PATIENCE: Duration = Duration::from_secs(30);

/// A catalog in a temporary folder, with the other parts that couriers need.
struct Post {
    catalog: Arc<dyn Catalog>,
    measures: Arc<Measures>,
    outside: Outside,
    lines: Written,
    folder: TempDir,
}

impl Post {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("catalog.db").display());
        let catalog = refrain_catalog::open(&url).await.unwrap();
        let (measures, outside) = (Arc::default(), Outside::default());
        Self { catalog, measures, outside, lines: Written::default(), folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn courier(&self, settings: &OutboxSettings) -> Courier {
        let (lines, drain) = (Lines::to(self.lines.clone()), Duration::from_secs(3));
        Courier::printing(&self.catalog, settings, &self.outside, drain, &self.measures, lines).unwrap()
    }

    /// Starts a courier.
    fn begin(&self, settings: &OutboxSettings) -> Working {
        let courier = self.courier(settings);
        let (waker, stop) = (courier.waker(), CancellationToken::new());
        Working { waker, task: tokio::spawn(courier.run(stop.clone())), stop }
    }

    /// Writes the messages that the planner creates for these responses to the outbox, as if at the time `at`.
    async fn tell_at(&self, sinks: &[SinkSettings], bodies: &[&str], at: i64) {
        let planner = Planner::new(sinks);
        for (number, body) in bodies.iter().enumerate() {
            let news = News { number: number as u64, response: body, ..news() };
            self.put(&planner.deliveries(&news), at).await;
        }
    }

    async fn tell(&self, sinks: &[SinkSettings], bodies: &[&str]) {
        self.tell_at(sinks, bodies, now()).await;
    }

    async fn put(&self, messages: &[NewDelivery], at: i64) {
        self.catalog.journal().enqueue(messages, at).await.unwrap();
    }

    async fn listed(&self, status: Option<DeliveryStatus>) -> Vec<Delivery> {
        let filter = DeliveryFilter { sink: None, status };
        self.catalog.journal().deliveries(&filter, None, 10_000).await.unwrap()
    }

    async fn waiting(&self) -> Vec<Delivery> {
        self.listed(Some(DeliveryStatus::Waiting)).await
    }

    /// Waits until exactly `count` messages have this status.
    async fn until(&self, status: DeliveryStatus, count: usize) -> Vec<Delivery> {
        self.until_so(async || Some(self.listed(Some(status)).await).filter(|all| all.len() == count)).await
    }

    /// Waits for the first waiting message with a failed attempt.
    async fn until_failed(&self) -> Delivery {
        self.until_so(async || self.waiting().await.into_iter().find(|one| one.last_error.is_some())).await
    }

    async fn until_so<T>(&self, look: impl AsyncFn() -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(found) => found,
            Err(_) => panic!("the expected state never occurred: {:#?}", self.listed(None).await),
        }
    }
}

/// A running courier.
struct Working {
    waker: Waker,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Working {
    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
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
    let longest_pause = Duration::from_millis(20);
    OutboxSettings { sinks: sinks.to_vec(), longest_pause, give_up: Duration::from_secs(3600), parallel: 4 }
}

fn sink(name: &str, kind: SinkKind) -> SinkSettings {
    SinkSettings { name: name.into(), kind, from: vec![From::Live], format: Format::Response }
}

fn folder_sink(path: &Path, key: &str) -> SinkSettings {
    sink("folder", SinkKind::Folder { path: path.to_owned(), key: key.into() })
}

/// An evening in May, in the local time of the machine.
fn evening() -> DateTime<Local> {
    Utc.with_ymd_and_hms(2023, 5, 23, 23, 57, 55).unwrap().with_timezone(&Local)
}

/// The start event of a song in a stream.
fn news() -> News<'static> {
    News {
        from: From::Live,
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

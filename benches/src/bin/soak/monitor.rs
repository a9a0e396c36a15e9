//! The measured process, which runs only a monitor and records what it reports.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use refrain_benches::music::BenchError;
use refrain_catalog::Detection;
use refrain_core::index::Cache;
use refrain_monitor::{EventKind, Monitor, MonitorSettings, StreamHandle, StreamInput, StreamSpec};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::CATALOG_ID;
use crate::memory::pss;
use crate::records::{EVENTS, JsonLines, MEMORY, STATUS, now};
use crate::signals::Signals;

/// Time over which the starts of streams are distributed.
const START_SPREAD: Duration = Duration::from_secs(4);
/// Interval at which the status of the streams is read.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);
/// Interval at which the memory is measured.
const MEMORY_INTERVAL: Duration = Duration::from_secs(10);
/// Capacity of the event channel of a stream: the events of some minutes.
const EVENT_CAPACITY: usize = 64;

/// Task of the measured process.
pub(crate) struct Task {
    pub(crate) prefix: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) url: String,
    pub(crate) streams: usize,
    pub(crate) seconds: f64,
}

impl Task {
    /// Returns the arguments for [`Task::parse`].
    pub(crate) fn arguments(&self) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let (streams, seconds) = (self.streams.to_string(), self.seconds.to_string());
        vec![path(&self.prefix), path(&self.folder), self.url.clone(), streams, seconds]
    }

    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BenchError> {
        let mut next = || args.next().ok_or("missing arguments: `monitor` is started by this program itself");
        let (prefix, folder, url) = (next()?.into(), next()?.into(), next()?);
        Ok(Self { prefix, folder, url, streams: next()?.parse()?, seconds: next()?.parse()? })
    }
}

/// A followed stream with the signals that were recorded last.
struct Followed {
    handle: StreamHandle,
    recorded: Signals,
}

pub(crate) fn run(task: &Task) -> Result<(), BenchError> {
    refrain_isolation::enable()?;
    let (cache, _) = Cache::open(&task.prefix, CATALOG_ID)?;
    let snapshot = cache.snapshot();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let monitor = {
        let _inside = runtime.enter();
        Monitor::new(move || snapshot.clone(), MonitorSettings::default())?
    };
    let mut log = JsonLines::create(&task.folder, EVENTS)?;
    let mut status = JsonLines::create(&task.folder, STATUS)?;
    let mut memory = JsonLines::create(&task.folder, MEMORY)?;
    let began = Instant::now();
    let (mut streams, mut measured_at) = (Vec::new(), None::<Instant>);
    while began.elapsed().as_secs_f64() < task.seconds {
        let wanted = (began.elapsed().as_secs_f64() / START_SPREAD.as_secs_f64()).min(1.0);
        while streams.len() < (wanted * task.streams as f64).ceil() as usize {
            streams.push(start(task, &monitor, streams.len()));
        }
        std::thread::sleep(STATUS_INTERVAL);
        for (number, stream) in streams.iter_mut().enumerate() {
            drain(number, &mut stream.1, &mut log)?;
            observe(number, &mut stream.0, &mut status)?;
            if stream.0.handle.status().borrow().is_over {
                drain(number, &mut stream.1, &mut log)?;
                *stream = start(task, &monitor, number);
            }
        }
        if measured_at.is_none_or(|at| at.elapsed() >= MEMORY_INTERVAL) {
            measured_at = Some(Instant::now());
            memory.write(&json!({ "at": now(), "bytes": pss() }))?;
        }
    }
    Ok(())
}

fn start(task: &Task, monitor: &Monitor, number: usize) -> (Followed, mpsc::Receiver<Detection>) {
    let (sender, events) = mpsc::channel(EVENT_CAPACITY);
    let input = StreamInput::Url(format!("{}/{number}/index.m3u8", task.url));
    let handle = monitor.start(StreamSpec::new(number.to_string(), input), sender);
    (Followed { handle, recorded: Signals::default() }, events)
}

/// Records the status of a stream if it has changed.
fn observe(number: usize, followed: &mut Followed, log: &mut JsonLines) -> Result<(), BenchError> {
    let status = followed.handle.status();
    let signals = Signals::of(&status.borrow());
    if signals == followed.recorded {
        return Ok(());
    }
    let mut line = signals.to_json();
    followed.recorded = signals;
    line["stream"] = number.into();
    line["at"] = now().into();
    line["is_over"] = status.borrow().is_over.into();
    log.write(&line)
}

/// Records the events of a stream.
fn drain(
    number: usize,
    events: &mut mpsc::Receiver<Detection>,
    log: &mut JsonLines,
) -> Result<(), BenchError> {
    while let Ok(event) = events.try_recv() {
        log.write(&line(number, &event))?;
    }
    Ok(())
}

fn line(number: usize, event: &Detection) -> Value {
    let detected = &event.detected;
    let kind = match event.kind {
        EventKind::Start => "start",
        EventKind::Update => "update",
        EventKind::Final => "final",
    };
    json!({
        "stream": number, "at": now(), "kind": kind, "id": event.id.to_string(), "song": detected.track.0,
        "start": event.epoch(), "end": event.epoch() + detected.query_end - detected.query_start,
        "offset_start": detected.reference_start, "offset_end": event.reference_end,
        "missing": event.missing_seconds, "probability": detected.false_positive_probability,
    })
}

//! The measured process, which runs only a monitor.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use refrain_benches::clock::memory;
use refrain_benches::music::BenchError;
use refrain_catalog::Detection;
use refrain_core::index::Cache;
use refrain_monitor::{
    EventKind, Monitor, MonitorSettings, StreamHandle, StreamInput, StreamPhase, StreamSpec,
};
use tokio::sync::mpsc;

use super::origin::SAMPLE;
use super::process::{NETWORK, Spent};
use super::report::{self, Measured, StatusSample};
use super::stages::Decoding;
use super::{CATALOG_ID, StreamsOptions};

/// Time in seconds over which the starts of streams are distributed.
const START_SPREAD_SECONDS: f64 = 4.0;
/// Time between the last start and the measurement.
const WARM_UP: Duration = Duration::from_secs(15);
/// Capacity of the event channel.
const EVENT_CAPACITY: usize = 1024;

/// Task of the measured process.
pub(crate) struct Task {
    prefix: PathBuf,
    url: String,
    /// Programme that all streams play in a loop: number of songs, and length in seconds.
    broadcast: (f64, f64),
    streams: usize,
    seconds: f64,
    cores: usize,
    network: usize,
    vod: Option<f64>,
    in_process: bool,
}

impl Task {
    pub(crate) fn new(options: &StreamsOptions, prefix: &Path, address: &str) -> Self {
        let mut words = address.split(' ');
        let url = words.next().unwrap_or_default().to_owned();
        let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
        Self {
            prefix: prefix.to_owned(),
            url,
            broadcast: (number(), number()),
            streams: if options.vod.is_some() { 1 } else { options.streams },
            seconds: options.seconds,
            cores: options.cores,
            network: options.network,
            vod: options.vod,
            in_process: options.in_process,
        }
    }

    /// Returns the arguments for [`Task::parse`].
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self { prefix, url, broadcast, streams, seconds, cores, network, vod, in_process } = self;
        let texts: [&dyn ToString; 10] = [
            &prefix.display(),
            url,
            &broadcast.0,
            &broadcast.1,
            streams,
            seconds,
            cores,
            network,
            &vod.unwrap_or(0.0),
            in_process,
        ];
        texts.iter().map(|text| text.to_string()).collect()
    }

    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BenchError> {
        let mut next = || args.next().ok_or("missing arguments: `follow` is started by this program itself");
        let (prefix, url) = (next()?.into(), next()?);
        let broadcast = (next()?.parse()?, next()?.parse()?);
        let (streams, seconds, cores) = (next()?.parse()?, next()?.parse()?, next()?.parse()?);
        let (network, vod): (_, f64) = (next()?.parse()?, next()?.parse()?);
        let vod = (vod > 0.0).then_some(vod);
        let in_process = next()?.parse()?;
        Ok(Self { prefix, url, broadcast, streams, seconds, cores, network, vod, in_process })
    }
}

pub(crate) fn run(task: &Task) -> Result<(), BenchError> {
    if !task.in_process {
        refrain_isolation::enable()?;
    }
    let (cache, _) = Cache::open(&task.prefix, CATALOG_ID)?;
    let snapshot = cache.snapshot();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(task.network)
        .thread_name(NETWORK)
        .enable_all()
        .build()?;
    let settings = MonitorSettings { threads: Some(task.cores), ..MonitorSettings::default() };
    let monitor = {
        let _inside = runtime.enter();
        Monitor::new(move || snapshot.clone(), settings)?
    };
    let (sender, events) = mpsc::channel(EVENT_CAPACITY);
    match task.vod {
        Some(length) => recorded(task, &monitor, &sender, events, length),
        None => live(task, &monitor, &sender, events),
    }
}

fn start(task: &Task, monitor: &Monitor, number: usize, events: &mpsc::Sender<Detection>) -> StreamHandle {
    let input = StreamInput::Url(format!("{}/{number}/index.m3u8", task.url));
    monitor.start(StreamSpec::new(number.to_string(), input), events.clone())
}

fn live(
    task: &Task,
    monitor: &Monitor,
    sender: &mpsc::Sender<Detection>,
    mut events: mpsc::Receiver<Detection>,
) -> Result<(), BenchError> {
    let empty = memory().unwrap_or_default();
    let pause = Duration::from_secs_f64(START_SPREAD_SECONDS / task.streams.max(1) as f64);
    let mut handles = Vec::new();
    for number in 0..task.streams {
        handles.push(start(task, monitor, number, sender));
        std::thread::sleep(pause);
    }
    std::thread::sleep(WARM_UP);
    let (mut starts, mut finals) = (0, 0);
    drain(&mut events, &mut starts, &mut finals);
    (starts, finals) = (0, 0);
    let (began, spent, first) = (Instant::now(), Spent::now(), StatusSample::of(&handles));
    let mut samples = Vec::new();
    while began.elapsed().as_secs_f64() < task.seconds {
        std::thread::sleep(Duration::from_secs(1));
        drain(&mut events, &mut starts, &mut finals);
        samples.push(StatusSample::of(&handles));
    }
    let (seconds, spent) = (began.elapsed().as_secs_f64(), Spent::now().since(spent));
    let full = memory().unwrap_or_default();
    let expected = task.broadcast.0 / task.broadcast.1.max(1.0) * seconds * task.streams as f64;
    let decoding = Decoding::measure(&task.prefix.with_file_name(SAMPLE))?;
    report::live(&Measured {
        decoding,
        streams: task.streams,
        seconds,
        spent,
        first,
        samples,
        starts,
        finals,
        expected,
        memory: (empty, full),
    });
    Ok(())
}

fn drain(events: &mut mpsc::Receiver<Detection>, starts: &mut usize, finals: &mut usize) {
    while let Ok(event) = events.try_recv() {
        match event.kind {
            EventKind::Start => *starts += 1,
            EventKind::Final => *finals += 1,
            EventKind::Update => {}
        }
    }
}

fn recorded(
    task: &Task,
    monitor: &Monitor,
    sender: &mpsc::Sender<Detection>,
    mut events: mpsc::Receiver<Detection>,
    length: f64,
) -> Result<(), BenchError> {
    let (began, spent) = (Instant::now(), Spent::now());
    let handle = start(task, monitor, 0, sender);
    let (mut starts, mut finals) = (0, 0);
    let status = handle.status();
    while !status.borrow().is_over {
        std::thread::sleep(Duration::from_millis(5));
        drain(&mut events, &mut starts, &mut finals);
    }
    drain(&mut events, &mut starts, &mut finals);
    let (wall, spent) = (began.elapsed(), Spent::now().since(spent));
    let status = status.borrow().clone();
    if let StreamPhase::Failed(why) | StreamPhase::DecoderDied(why) = &status.state {
        return Err(format!("the stream failed: {why}").into());
    }
    let expected = task.broadcast.0 / task.broadcast.1.max(1.0) * length;
    let decoding = Decoding::measure(&task.prefix.with_file_name(SAMPLE))?;
    report::recorded(&status, (wall, spent), decoding, (starts, finals, expected));
    Ok(())
}

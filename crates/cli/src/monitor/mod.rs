//! `refrain monitor`: follows a live stream until it ends. `identifyStream` does the same with other flags.

mod drop_in;
mod input;
mod line;
mod teller;

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Result, bail};
use refrain_app::response::ResponseFolder;
use refrain_monitor::{
    EventKind, FollowedIndex, Monitor, MonitorSettings, Reporter, SourceSettings, StreamEvent, StreamHandle,
    StreamInput, StreamSpec, StreamState, StreamStatus,
};
use refrain_stream::hls::HlsSettings;
use tokio::sync::mpsc;
use tracing::level_filters::LevelFilter;

use crate::args::MonitorArgs;
use crate::exit::Outcome;
use crate::interrupt;
use crate::output::{Output, StatusLine};
use crate::settings::{SearchHome, Settings};
use crate::store::{Missing, Store, cannot_be_searched};

pub(crate) use drop_in::identify_stream;
use line::Shown;
pub(crate) use line::event as event_line;
use teller::{Lines, Teller};

/// Maximum number of events that are queued for writing, which take at most 100 MB. If the queue is full, decoding waits. A
/// thousand hours of songs have fewer events, so a recording is always decoded to its end, after which the time for retries
/// is limited.
const MAX_WAITING_EVENTS: usize = 65_536;

/// Interval at which the status line is updated.
const TICK: Duration = Duration::from_millis(500);

/// Interval at which the status is logged.
const LOGGED_EVERY: Duration = Duration::from_secs(60);

/// Default interval between two update events of a song, in seconds.
const UPDATE_SECONDS: f64 = 30.0;

/// The stream to follow and the events to report.
struct Plan<'a> {
    input: &'a str,
    id: String,
    folder: Option<ResponseFolder>,
    kinds: Vec<EventKind>,
    lines: Lines,
    monitor: MonitorSettings,
    log: (LevelFilter, bool),
}

/// Runs the command.
pub(crate) fn run(args: &MonitorArgs, settings: &Settings, output: &Output) -> Result<Outcome> {
    let input = input::open(&args.input, args.pcm)?;
    follow(&plan(args, settings, output)?, input, settings, output)
}

fn plan<'a>(args: &'a MonitorArgs, settings: &Settings, output: &Output) -> Result<Plan<'a>> {
    let mut kinds: Vec<EventKind> = args.events.iter().filter_map(|event| event.kind()).collect();
    if args.update_every.is_some() && !kinds.contains(&EventKind::Update) {
        kinds.push(EventKind::Update);
    }
    let mut live = settings.live();
    if kinds.contains(&EventKind::Update) {
        live.update_seconds = Some(args.update_every.unwrap_or(UPDATE_SECONDS));
    }
    if let Some(rate) = args.false_events_per_hour {
        live.false_events_per_hour = rate;
    }
    let private_hosts = settings.private_hosts()?;
    let mut hls = HlsSettings { allow_private: args.allow_private, private_hosts, ..HlsSettings::default() };
    if let Some(rendition) = &args.rendition {
        hls.rendition = rendition.0.clone();
    }
    let lines = match (args.json, &args.out, output.is_terminal()) {
        (true, ..) | (_, None, false) => Lines::Json,
        (_, _, true) => Lines::Text,
        _ => Lines::None,
    };
    let level = if args.verbose { LevelFilter::DEBUG } else { LevelFilter::INFO };
    Ok(Plan {
        input: &args.input,
        id: args.id.clone().unwrap_or_else(|| input::id_of(&args.input)),
        folder: args.out.clone().map(|out| ResponseFolder::new(out, args.temp.clone())),
        kinds,
        lines,
        monitor: MonitorSettings {
            threads: Some(settings.jobs),
            live,
            source: SourceSettings { hls, ..SourceSettings::default() },
            ..MonitorSettings::default()
        },
        log: (level, args.log_json),
    })
}

/// Follows a stream until it ends or is stopped.
fn follow(plan: &Plan<'_>, input: StreamInput, settings: &Settings, output: &Output) -> Result<Outcome> {
    if settings.search == SearchHome::Database {
        bail!(
            "streams can be searched only in a local index, which is built from the same database; use {}",
            settings.names.local_search
        );
    }
    if let Some(folder) = &plan.folder {
        folder.create()?;
    }
    interrupt::listen();
    let store = Store::open(settings, Missing::Refuse)?;
    let outcome = in_store(plan, input, &store, output);
    // The command only read, so an error of the cleanup at closing has no effect on its result.
    let _ = store.close();
    outcome
}

fn in_store(plan: &Plan<'_>, input: StreamInput, store: &Store, output: &Output) -> Result<Outcome> {
    let library = store.library(output)?;
    let status = output.status();
    if !status.is_shown() || plan.log.1 {
        status.log_writer().begin(plan.log.0, plan.log.1);
    } else {
        status.log_writer().begin(plan.log.0.min(LevelFilter::WARN), false);
    }
    let follower = store.follow(library, |what| log_changes(&what));
    let reporter = Reporter::new(store.shared_catalog());
    let last = store.wait(async {
        let monitor = Monitor::new(FollowedIndex::new(follower), plan.monitor.clone())?;
        let (events, heard) = mpsc::channel(MAX_WAITING_EVENTS);
        let handle = monitor.start(StreamSpec::new(plan.id.as_str(), input), events);
        let teller = Teller::new(plan, reporter, handle.status(), output);
        let shown = Shown::default();
        let lost = tokio::select! {
            lost = tell(teller, heard, &shown) => lost?,
            never = end_when_asked(&handle, &plan.id) => match never {},
            never = show(&handle, &shown, &status, &plan.id) => match never {},
        };
        anyhow::Ok((handle.ended().await, lost))
    });
    drop(status);
    let (last, lost) = last?;
    Ok(outcome(plan, &last, lost, output))
}

/// Waits for a shutdown request and then stops the stream. Never returns.
async fn end_when_asked(handle: &StreamHandle, id: &str) -> Infallible {
    interrupt::wait().await;
    tracing::info!(stream = id, "shutdown requested, processing buffered audio");
    handle.stop();
    std::future::pending().await
}

/// Writes the events of a stream until it ends, and returns the number of events that could not be written.
async fn tell(
    mut teller: Teller<'_>,
    mut events: mpsc::Receiver<StreamEvent>,
    shown: &Shown,
) -> Result<usize> {
    while let Some(event) = events.recv().await {
        teller.tell(&event, shown).await?;
    }
    Ok(teller.lost())
}

/// Updates the status line and logs the status in intervals. Never returns.
async fn show(handle: &StreamHandle, shown: &Shown, line: &StatusLine<'_>, id: &str) -> Infallible {
    let status = handle.status();
    let mut logged = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(TICK).await;
        if line.is_shown() {
            let text = shown.text(id, &status.borrow());
            line.set(text);
        }
        if logged.elapsed() >= LOGGED_EVERY {
            logged = tokio::time::Instant::now();
            line::log(id, &status.borrow());
        }
    }
}

fn outcome(plan: &Plan<'_>, last: &StreamStatus, lost: usize, output: &Output) -> Outcome {
    line::log(&plan.id, last);
    if lost > 0 {
        output.note(&format!("refrain: {lost} events could not be written before the end"));
    }
    match &last.state {
        StreamState::Failed(why) | StreamState::DecoderDied(why) => {
            output.note(&format!("refrain: cannot follow {}: {why}", input::shown(plan.input)));
            Outcome::Failed
        }
        _ if lost > 0 => Outcome::Failed,
        _ => Outcome::Done,
    }
}

/// Logs changes of the index while a stream is followed.
fn log_changes(what: &refrain_index_sync::Followed<'_>) {
    use refrain_index_sync::Followed;
    match what {
        Followed::Changed(done) => {
            tracing::info!(added = done.added, removed = done.removed, "catalog changed, index updated");
            for skipped in &done.skipped {
                tracing::warn!("{}", cannot_be_searched(skipped));
            }
        }
        Followed::Failed { error, failures: 1, .. } => {
            tracing::warn!(%error, "following the catalog failed, searching the index as it is");
        }
        Followed::Recovered => tracing::info!("following the catalog again"),
        _ => {}
    }
}

//! `refrain monitor`: follows a live stream until it ends. `identifyStream` uses the same code with other flags.

mod drop_in;
mod event_writer;
mod input;
mod line;
mod plan;

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Result, bail};
use refrain_catalog::Detection;
use refrain_monitor::{
    AlertQueue, FollowedIndex, Monitor, Reporter, StreamEnd, StreamHandle, StreamInput, StreamPhase,
    StreamSpec, StreamStatus,
};
use tokio::sync::{mpsc, watch};
use tracing::level_filters::LevelFilter;

use crate::args::MonitorArgs;
use crate::context::{CommandContext, Missing};
use crate::exit::CommandOutcome;
use crate::interrupt;
use crate::output::{Output, StatusLine};
use crate::settings::{SearchBackend, Settings};

pub(crate) use drop_in::identify_stream;
use event_writer::EventWriter;
use line::PlayingSongs;
pub(crate) use line::event as event_line;
use plan::MonitorPlan;

/// Maximum number of events that are queued for writing, which take at most 100 MB. While the queue is full, decoding
/// stops. The events of a thousand hours fit into the queue, so a recording is always decoded to its end even if no
/// event can be written. This matters because the time for retries is limited only after the end.
const MAX_QUEUED_EVENTS: usize = 65_536;

/// Interval at which the status line is updated. The matcher makes its decisions every half second of audio, so shorter
/// intervals would mostly show the same text.
const STATUS_LINE_INTERVAL: Duration = Duration::from_millis(500);

/// Interval at which the status is logged, which gives 1,440 lines per day and stream. With 30 s, the log grows twice
/// as fast without new information; with two minutes, an outage of one minute can be missing in these lines.
const STATUS_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Runs `refrain monitor`.
pub(crate) fn run(args: &MonitorArgs, settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    let input = input::open(&args.input, args.pcm)?;
    follow(&plan::plan(args, settings, output)?, input, settings, output)
}

/// Follows a stream until it ends or a signal requests a shutdown.
fn follow(
    plan: &MonitorPlan<'_>,
    input: StreamInput,
    settings: &Settings,
    output: &Output,
) -> Result<CommandOutcome> {
    // The matcher searches every half second of audio, and a search in the database takes several queries, which is too
    // slow.
    if settings.search == SearchBackend::Database {
        bail!(
            "streams can be searched only in a local index, which is built from the catalog; use {}",
            settings.names.local_search
        );
    }
    if let Some(folder) = &plan.folder {
        folder.create()?;
    }
    // The handler is installed before the catalog is opened, because opening can take as long as the retries of the
    // database.
    interrupt::install_handler();
    let context = CommandContext::open(settings, Missing::Refuse)?;
    let outcome = run_monitor(plan, input, &context, output);
    // This command did not change the catalog, so an error of closing it does not change the result.
    let _ = context.close();
    outcome
}

fn run_monitor(
    plan: &MonitorPlan<'_>,
    input: StreamInput,
    context: &CommandContext,
    output: &Output,
) -> Result<CommandOutcome> {
    let index_sync = context.index_sync(output)?;
    let status = output.status();
    if !status.is_shown() || plan.log.1 {
        status.log_writer().begin(plan.log.0, plan.log.1);
    } else {
        // The status line already shows the information of the log lines below the level of warnings.
        status.log_writer().begin(plan.log.0.min(LevelFilter::WARN), false);
    }
    let is_shown = status.is_shown() && !plan.log.1;
    let follower = context.follow(index_sync, |event| event.log());
    let reporter = Reporter::new(context.catalog_handle());
    let last = context.wait(async {
        let index = FollowedIndex::new(follower);
        let monitor = Monitor::new(index.clone(), plan.monitor.clone())?;
        let (events, event_receiver) = mpsc::channel(MAX_QUEUED_EVENTS);
        let spec = StreamSpec {
            preferences: plan.preferences.clone(),
            headers: plan.headers.clone(),
            ..StreamSpec::new(plan.id.as_str(), input)
        };
        let handle = monitor.start(spec, events);
        let event_writer = EventWriter::new(plan, reporter, handle.status(), output);
        let alerts = plan.alerts.then(|| handle.alerts());
        let shown = PlayingSongs::default();
        // The other two branches never end, so the block ends after the last event was written.
        let lost = tokio::select! {
            lost = emit(event_writer, event_receiver, handle.status(), alerts, &shown) => lost?,
            never = stop_on_signal(&handle, &plan.id) => match never {},
            never = show(&handle, &shown, &status, &plan.id) => match never {},
        };
        let last = handle.ended().await;
        // Threads of the monitor can hold the index for longer than the catalog is open, and reading the changes of a
        // closed catalog fails with a warning.
        index.stop();
        anyhow::Ok((last, lost))
    });
    // The status line is removed before the messages about the outcome are printed.
    drop(status);
    let (last, lost) = last?;
    Ok(outcome(plan, &last, lost, is_shown, output))
}

/// Waits until a signal requests a shutdown, and then stops the source of the stream. The future never completes.
async fn stop_on_signal(handle: &StreamHandle, id: &str) -> Infallible {
    interrupt::wait().await;
    tracing::info!(stream = id, "shutdown requested, processing buffered audio");
    // Only the source stops. Audio that is already buffered is still decoded, and songs that play get their final
    // event.
    handle.stop();
    std::future::pending().await
}

/// Writes the events of a stream and its alerts, if there is a queue of them, until there are no more. Returns the
/// number of events that could not be written.
async fn emit(
    mut event_writer: EventWriter<'_>,
    mut events: mpsc::Receiver<Detection>,
    mut status: watch::Receiver<StreamStatus>,
    alerts: Option<AlertQueue>,
    shown: &PlayingSongs,
) -> Result<usize> {
    let take = || alerts.as_ref().map(AlertQueue::take).unwrap_or_default();
    loop {
        let event = tokio::select! {
            biased;
            Ok(()) = status.changed(), if alerts.is_some() => None,
            event = events.recv() => Some(event),
        };
        // Alerts are taken before the end is handled, because the last job of the stream adds alerts too.
        for alert in take() {
            event_writer.emit_alert(&alert).await?;
        }
        match event {
            Some(Some(event)) => event_writer.emit(&event, shown).await?,
            Some(None) => return Ok(event_writer.lost()),
            None => {}
        }
    }
}

/// Updates the status line and logs the status at their intervals. The future never completes.
async fn show(handle: &StreamHandle, shown: &PlayingSongs, line: &StatusLine<'_>, id: &str) -> Infallible {
    let status = handle.status();
    let mut logged = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(STATUS_LINE_INTERVAL).await;
        if line.is_shown() {
            // The monitor cannot publish a new status while the status is borrowed, so the borrow ends before the line
            // is drawn.
            let text = shown.text(id, &status.borrow());
            line.set(text);
        }
        if logged.elapsed() >= STATUS_LOG_INTERVAL {
            logged = tokio::time::Instant::now();
            line::log(id, &status.borrow());
        }
    }
}

/// Reports the end of the stream and returns the outcome of the command. `is_shown` is true if a status line was shown:
/// the log then does not contain the end.
fn outcome(
    plan: &MonitorPlan<'_>,
    last: &StreamStatus,
    lost: usize,
    is_shown: bool,
    output: &Output,
) -> CommandOutcome {
    line::log(&plan.id, last);
    if lost > 0 {
        output.note(&format!("refrain: {lost} events could not be written before the end"));
    }
    match &last.state {
        StreamPhase::Failed(why) | StreamPhase::DecoderDied(why) => {
            output.note(&format!("refrain: cannot follow {}: {why}", input::shown(plan.input)));
            CommandOutcome::Failed
        }
        _ if has_no_audio(last) => {
            let input = input::shown(plan.input);
            output.note(&format!("refrain: no audio of {input} was decoded ({})", last.state));
            CommandOutcome::Failed
        }
        end => {
            if is_shown {
                output.note(&format!("refrain: {}: {end}", plan.id));
            }
            if lost > 0 { CommandOutcome::Failed } else { CommandOutcome::Done }
        }
    }
}

/// Returns true if no audio of an ended stream was decoded. A stream that was stopped before its first response is
/// excepted, because no audio could be expected.
fn has_no_audio(last: &StreamStatus) -> bool {
    let is_untried = last.state == StreamPhase::Ended(StreamEnd::Stopped) && last.state_changes <= 1;
    !last.has_audio() && !is_untried
}

//! `refrain streams`: lists, adds and stops the streams of the service.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use refrain_catalog::{NewStream, StartOutcome, Stream, StreamFilter, worker_name};
use refrain_service::sessions::{EndCode, EndReason};
use refrain_service::streams::{ORIGIN_API, ORIGIN_FIXED, header_names, stored_headers};
use serde::Serialize;

use crate::args::{AddStreamArgs, ListStreamsArgs, StopStreamArgs, StreamsArgs, StreamsCommand};
use crate::context::{CommandContext, Missing};
use crate::exit::CommandOutcome;
use crate::output::{Align, Output, Table, timestamp};
use crate::settings::{Settings, check_id, check_url};

/// Maximum number of rows per database query. A row has a few hundred bytes, so a page takes about 0.2 MB. The streams
/// of two workers with the default capacity fit into one page; smaller pages need more round trips.
const PAGE: u32 = 500;

const COLUMNS: [(&str, Align); 8] = [
    ("id", Align::Left),
    ("state", Align::Left),
    ("origin", Align::Left),
    ("since", Align::Left),
    ("worker", Align::Left),
    ("lease", Align::Right),
    ("deaths", Align::Right),
    ("why", Align::Left),
];

/// Runs `refrain streams`.
pub(crate) fn run(args: &StreamsArgs, settings: &Settings, output: &Output) -> Result<CommandOutcome> {
    let missing = match args.command {
        StreamsCommand::Add(_) => Missing::Create,
        StreamsCommand::List(_) | StreamsCommand::Stop(_) => Missing::Refuse,
    };
    let context = CommandContext::open(settings, missing)?;
    let outcome = match &args.command {
        StreamsCommand::Add(args) => add(args, &context, output),
        StreamsCommand::List(args) => list(args, &context, output),
        StreamsCommand::Stop(args) => stop(args, &context, output),
    };
    context.close()?;
    outcome
}

fn add(args: &AddStreamArgs, context: &CommandContext, output: &Output) -> Result<CommandOutcome> {
    check_id(&args.id)?;
    check_url(&args.url)?;
    let new = NewStream {
        id: args.id.clone(),
        url: args.url.clone(),
        headers: stored_headers(&args.headers.headers()?),
        origin: ORIGIN_API.to_owned(),
        session: None,
        started_at: now()?,
    };
    match context.wait(context.catalog().journal().start_stream(&new))? {
        StartOutcome::Started(_) => output.line(&format!("stream {:?} added", args.id))?,
        // Adding the same stream again is not an error, so that scripts can run the command at every start.
        StartOutcome::Known(known) if known.url == new.url && known.headers == new.headers => {
            output.line(&format!("stream {:?} is {} already", args.id, known.state.as_str()))?;
        }
        StartOutcome::Known(known) => bail!(
            "stream {:?} is {} already with another URL or other headers; stop it first, or choose another id",
            args.id,
            known.state.as_str()
        ),
    }
    Ok(CommandOutcome::Done)
}

fn stop(args: &StopStreamArgs, context: &CommandContext, output: &Output) -> Result<CommandOutcome> {
    let journal = context.catalog().journal();
    // The stream is read first, so that an unknown stream can be distinguished from one that has ended.
    let Some(stream) = context.wait(journal.stream(&args.id))? else {
        bail!("stream {:?} not found; `refrain streams list` shows all streams", args.id);
    };
    let reason = EndReason::of(EndCode::ByOperator);
    if !context.wait(journal.end_stream(&args.id, None, Some(&reason.text()), now()?))? {
        output.line(&format!("stream {:?} is {} already", args.id, stream.state.as_str()))?;
        return Ok(CommandOutcome::Done);
    }
    output.line(&format!("stream {:?} stopped", args.id))?;
    if stream.origin == ORIGIN_FIXED {
        output.note(
            "refrain: the stream is in the settings file, so the service starts it again; remove it from that file",
        );
    }
    Ok(CommandOutcome::Done)
}

fn list(args: &ListStreamsArgs, context: &CommandContext, output: &Output) -> Result<CommandOutcome> {
    let filter = StreamFilter { over: args.all, ..StreamFilter::default() };
    let (mut after, mut table) = (None, Table::new(&COLUMNS));
    let now = now()?;
    loop {
        let page = context.wait(context.catalog().journal().streams(&filter, after.as_deref(), PAGE))?;
        for stream in &page {
            if args.json {
                output.line(&serde_json::to_string(&StreamListRow::new(stream, now))?)?;
            } else {
                // The table is printed after the last page, because the widest cell determines the width of its column.
                table.row(cells(stream, now));
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE as usize => after = Some(last.id.clone()),
            _ => break,
        }
    }
    if !args.json {
        let lines = table.lines();
        for (number, line) in lines.iter().enumerate() {
            output.line(&if number == 0 { output.style().dim(line) } else { line.clone() })?;
        }
    }
    Ok(CommandOutcome::Done)
}

/// A stream in the JSON output of `streams list`. Its URL is not included, because it can contain a token. Times are in
/// milliseconds since 1970.
#[derive(Serialize)]
struct StreamListRow<'a> {
    id: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    origin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    started_at: i64,
    updated_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'a str>,
    /// Time until the lease expires, in seconds; `None` if no worker has the lease. If the time is negative, the lease
    /// has expired, and another worker can take over the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_seconds: Option<f64>,
    attempts: u32,
    /// Deaths that count towards the quarantine of the stream: those of its worker processes or those of its decoder,
    /// whichever number is higher.
    deaths: u32,
    quarantined: bool,
    /// Names of the request headers. Their values can be secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    header_names: Vec<String>,
}

impl<'a> StreamListRow<'a> {
    fn new(stream: &'a Stream, now: i64) -> Self {
        Self {
            id: &stream.id,
            state: stream.state.as_str(),
            reason: stream.reason.as_deref(),
            origin: &stream.origin,
            session: stream.session.as_deref(),
            started_at: stream.started_at,
            updated_at: stream.updated_at,
            ended_at: stream.ended_at,
            worker: stream.lease_owner.as_deref().map(worker_name),
            lease_seconds: lease_seconds(stream, now),
            attempts: stream.attempts,
            deaths: stream.max_deaths(),
            quarantined: stream.is_quarantined(),
            header_names: header_names(stream),
        }
    }
}

fn cells(stream: &Stream, now: i64) -> [String; 8] {
    let lease = lease_seconds(stream, now).map(|seconds| format!("{seconds:.0} s"));
    [
        stream.id.clone(),
        stream.state.as_str().to_owned(),
        stream.origin.clone(),
        timestamp(stream.ended_at.unwrap_or(stream.started_at)),
        stream.lease_owner.as_deref().map_or("-", worker_name).to_owned(),
        lease.unwrap_or_else(|| "-".to_owned()),
        deaths(stream),
        stream.reason.clone().unwrap_or_default(),
    ]
}

/// Returns the number of deaths that count towards the quarantine of the stream ([`Stream::max_deaths`]), or `-` if it
/// is 0.
fn deaths(stream: &Stream) -> String {
    match stream.max_deaths() {
        0 => "-".to_owned(),
        deaths => deaths.to_string(),
    }
}

/// Returns the time until the lease expires, in seconds by the clock of this machine. Negative if the lease has
/// expired, and `None` if no worker has the lease.
fn lease_seconds(stream: &Stream, now: i64) -> Option<f64> {
    stream.lease_until.map(|until| until.saturating_sub(now) as f64 / 1000.0)
}

/// Returns the current time in milliseconds since 1970.
fn now() -> Result<i64> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("this machine's clock is before 1970; set the clock")?;
    i64::try_from(now.as_millis()).context("this machine's clock is far in the future; set the clock")
}

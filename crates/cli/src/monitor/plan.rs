//! What `refrain monitor` follows, and which events it reports where.

use anyhow::{Result, bail};
use refrain_app::response::ResponseFolder;
use refrain_monitor::{AudioPreferences, EventKind, MonitorSettings, SourceSettings};
use refrain_net::RequestHeaders;
use refrain_stream::TrackChoice;
use refrain_stream::hls::HlsSettings;
use tracing::level_filters::LevelFilter;

use super::event_writer::EventFormat;
use super::input;
use crate::args::{EventArg, MonitorArgs};
use crate::output::Output;
use crate::settings::Settings;

/// Default interval between two update events of a song, in seconds, which gives about seven updates per song. The
/// setting `monitor.update_seconds` of the service has the same default.
const DEFAULT_UPDATE_SECONDS: f64 = 30.0;

/// The stream to follow, the events to report, and how they are written.
pub(super) struct MonitorPlan<'a> {
    pub(super) input: &'a str,
    pub(super) id: String,
    pub(super) folder: Option<ResponseFolder>,
    pub(super) kinds: Vec<EventKind>,
    /// True if alerts about the audio are reported.
    pub(super) alerts: bool,
    pub(super) event_format: EventFormat,
    pub(super) headers: RequestHeaders,
    pub(super) monitor: MonitorSettings,
    pub(super) preferences: AudioPreferences,
    pub(super) log: (LevelFilter, bool),
}

/// Returns the plan for the arguments of `refrain monitor`.
pub(super) fn plan<'a>(
    args: &'a MonitorArgs,
    settings: &Settings,
    output: &Output,
) -> Result<MonitorPlan<'a>> {
    let mut kinds: Vec<EventKind> = args.events.iter().filter_map(|event| event.kind()).collect();
    // An interval is useless without update events, so it also selects them.
    if args.update_every.is_some() && !kinds.contains(&EventKind::Update) {
        kinds.push(EventKind::Update);
    }
    let mut live = settings.live();
    if kinds.contains(&EventKind::Update) {
        live.update_seconds = Some(args.update_every.unwrap_or(DEFAULT_UPDATE_SECONDS));
    }
    if let Some(rate) = args.false_events_per_hour {
        live.false_events_per_hour = rate;
    }
    let private_hosts = settings.private_hosts()?;
    let hls = HlsSettings { allow_private: args.allow_private, private_hosts, ..HlsSettings::default() };
    let track = TrackChoice { pid: args.audio_pid, language: args.language.clone() };
    // Programs get JSON lines, and people get text. Nothing is printed if events are written to files and standard
    // output is not a terminal.
    let event_format = match (args.json, &args.out, output.is_terminal()) {
        (true, ..) | (_, None, false) => EventFormat::Json,
        (_, _, true) => EventFormat::Text,
        _ => EventFormat::None,
    };
    let level = if args.verbose { LevelFilter::DEBUG } else { LevelFilter::INFO };
    Ok(MonitorPlan {
        input: &args.input,
        id: args.id.clone().unwrap_or_else(|| input::id_of(&args.input)),
        folder: args.out.clone().map(|out| ResponseFolder::new(out, args.temp.clone())),
        kinds,
        alerts: args.events.contains(&EventArg::Alert),
        event_format,
        headers: headers(args, settings)?,
        monitor: MonitorSettings {
            threads: Some(settings.jobs),
            live,
            source: SourceSettings { hls, ..SourceSettings::default() },
            http: settings.http_client()?,
            health: settings.health_of(&args.input)?,
            ..MonitorSettings::default()
        },
        preferences: AudioPreferences { rendition: args.rendition.clone(), track },
        log: (level, args.log_json),
    })
}

/// Returns the request headers of the stream in the settings that has this URL, and those of the flags.
///
/// # Errors
/// If a header is invalid, or if the input is not requested with HTTP.
fn headers(args: &MonitorArgs, settings: &Settings) -> Result<RequestHeaders> {
    let of_flags = args.headers.headers()?;
    let scheme = input::scheme(&args.input).map(str::to_ascii_lowercase);
    if !of_flags.is_empty() && !matches!(scheme.as_deref(), Some("http" | "https")) {
        bail!(
            "request headers apply to http and https URLs only; remove --header, --header-file and --header-env"
        );
    }
    let mut headers = settings.headers_of(&args.input)?;
    headers.extend(&of_flags)?;
    Ok(headers)
}

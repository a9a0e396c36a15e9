//! `refrain monitor` and `identifyStream`.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};
use refrain_monitor::EventKind;
use refrain_stream::PcmFormat;
use refrain_stream::hls::RenditionChoice;

use super::headings;
use super::request_headers::HeaderArgs;
use crate::settings::{check_audio_pid, check_language};

const LONG: &str = "\
Follow a live stream until it ends and report the songs of the catalog in it:
an event when a song starts, and an event with its exact start and end when it
has ended.";

const EXAMPLES: &str = "\
Examples:
  refrain monitor https://example.org/live/master.m3u8 --id studio-1 --out results/
  refrain monitor http://radio.example.org:8000/stream.mp3 --id radio
  refrain monitor https://tv.example.org/one.m3u8 --header 'Referer: https://tv.example.org/'
  refrain monitor udp://239.1.2.3:5000 --id tv-7 --json
  ffmpeg -i rtmp://example.org/app/key -f wav - | refrain monitor - --id rtmp
  arecord -f cd -t raw | refrain monitor - --pcm s16le:44100:2 --id desk

With --out each event is written to a file ID_YYYY_MM_DDTHH_MM_SS+ZZZZ.json. The
file is complete when it appears, and no existing file is replaced. Without
--out, or with --json, events are JSON lines on standard output; on a terminal,
without --json, they are lines of text. Log lines go to standard error; on a
terminal a status line is shown instead, and only warnings and errors are
logged.

Ctrl-C or SIGTERM stops the command: audio that was received is processed, and
songs that are playing get their final event. A second signal stops it at once.

Exit status: 0 the stream ended or was stopped; 2 the stream could not be
followed, or its events could not be written.";

/// Events to report, the values of `--events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventArg {
    /// A song was found
    Start,
    /// A song is still playing
    Update,
    /// A song has ended
    Final,
    /// An alert about the audio has started or ended: silence, clipping, a dead channel and others
    Alert,
    /// No events
    None,
}

impl EventArg {
    /// Returns the kind of event of a song, or `None` for `alert` and `none`.
    pub(crate) fn kind(self) -> Option<EventKind> {
        match self {
            Self::Start => Some(EventKind::Start),
            Self::Update => Some(EventKind::Update),
            Self::Final => Some(EventKind::Final),
            Self::Alert | Self::None => None,
        }
    }
}

/// Follow a live stream and report every song while it plays
#[derive(Debug, Clone, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(crate) struct MonitorArgs {
    /// Stream to follow: a URL, a file, or - for standard input
    ///
    /// The URL is an http or https URL of an HLS playlist, of a DASH manifest or of a radio stream, or a udp or rtp URL
    /// of an MPEG transport stream.
    #[arg(value_name = "URL")]
    pub(crate) input: String,
    /// Read standard input or the file as raw PCM, for example s16le:48000:2
    #[arg(long, value_name = "FORMAT", help_heading = headings::INPUT)]
    pub(crate) pcm: Option<PcmFormat>,
    /// Accept a private address for the host in the URL
    ///
    /// For other hosts, for example of segments, use monitor.private_hosts in the settings.
    #[arg(long, help_heading = headings::INPUT)]
    pub(crate) allow_private: bool,
    #[command(flatten)]
    pub(crate) headers: HeaderArgs,
    /// Report these events, separated by commas
    #[arg(
        long,
        value_name = "EVENTS",
        value_delimiter = ',',
        default_values = ["start", "final"],
        help_heading = headings::LIVE_STREAM
    )]
    pub(crate) events: Vec<EventArg>,
    /// Emit an update event every SECONDS while a song plays
    ///
    /// The value is 1 to 86400. Default: 30 with --events update, else never.
    #[arg(long, value_name = "SECONDS", value_parser = update_seconds, help_heading = headings::LIVE_STREAM)]
    pub(crate) update_every: Option<f64>,
    /// Select the rendition of a master playlist. Default: audio only, else the lowest bandwidth
    ///
    /// The value is the name of the rendition, #0 for the first one, or max:BITS for the highest bandwidth up to BITS
    /// per second. While it fails, another one is followed. Without this option, renditions whose codecs cannot be
    /// decoded are left out.
    #[arg(long, value_name = "WHICH", help_heading = headings::LIVE_STREAM)]
    pub(crate) rendition: Option<RenditionChoice>,
    /// Prefer the audio in this language, for example de. Default: the default or first audio
    ///
    /// The value is a language code of two or three letters. It selects an audio rendition of a master playlist, a
    /// representation of DASH, and an audio stream of MPEG-TS. It has no effect if no audio is marked with the language.
    #[arg(long, value_name = "LANGUAGE", value_parser = language, help_heading = headings::LIVE_STREAM)]
    pub(crate) language: Option<String>,
    /// Prefer the audio stream of MPEG-TS with this packet id, for example 257 or 0x101
    ///
    /// It has no effect if there is no such audio stream. Default: the first one that is not an audio description or
    /// clean audio for the hearing impaired.
    #[arg(long, value_name = "PID", value_parser = audio_pid, help_heading = headings::LIVE_STREAM)]
    pub(crate) audio_pid: Option<u16>,
    /// Set the accepted number of false events per hour, above 0. Default: 0.001
    #[arg(long, value_name = "N", value_parser = rate, help_heading = headings::MATCHING)]
    pub(crate) false_events_per_hour: Option<f64>,
    /// Set the unknownAssetID of the responses. Default: the last part of the URL
    #[arg(long, help_heading = headings::OUTPUT)]
    pub(crate) id: Option<String>,
    /// Write one response file per event to this folder
    #[arg(long, value_name = "DIR", help_heading = headings::OUTPUT)]
    pub(crate) out: Option<PathBuf>,
    /// Write incomplete response files to this folder. Default: next to --out
    ///
    /// The folder is only used where the system cannot write files without a name.
    #[arg(long, value_name = "DIR", help_heading = headings::OUTPUT)]
    pub(crate) temp: Option<PathBuf>,
    /// Write events as JSON lines to standard output
    ///
    /// The lines are also written to a terminal, and in addition to the files of --out.
    #[arg(long, help_heading = headings::OUTPUT)]
    pub(crate) json: bool,
    /// Write log lines as JSON, also on a terminal
    #[arg(long, help_heading = headings::OUTPUT)]
    pub(crate) log_json: bool,
    /// Log debug messages as well
    ///
    /// The flag has no effect while the status line is shown.
    #[arg(long, short, help_heading = headings::OUTPUT)]
    pub(crate) verbose: bool,
}

fn language(text: &str) -> Result<String, String> {
    check_language(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

fn audio_pid(text: &str) -> Result<u16, String> {
    let pid = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let pid = pid.map_err(|_| format!("{text:?} is not a number"))?;
    check_audio_pid(pid).map(|()| pid).map_err(|error| error.to_string())
}

fn update_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (1.0..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "use 1 to 86400 seconds".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && rate.is_finite());
    rate.ok_or_else(|| "use a number above 0".to_owned())
}

const STREAM_EXAMPLES: &str = "\
Examples:
  identifyStream -i https://example.org/master.m3u8 -c refrain.toml -e st-1DcdE -O /app/st-1DcdE -t /tmp
  identifyStream -i upload.mp4 -c refrain.toml -e asset-7 -O results -t /tmp

The flags, files and names are those of the program that it replaces. A stream
is followed until it ends, with one response at the start and one at the end of
each song. A media file gets one response if it matches. The configuration
(TOML: catalog = \"…\") or REFRAIN_CATALOG sets the catalog. Settings of other
programs in the configuration are ignored with a warning.

Exit status: 0 done, 2 the input could not be followed or read, or responses
could not be written.";

/// Find the songs of the catalog in a stream or a media file
#[derive(Debug, Parser)]
#[command(name = "identifyStream", version, after_help = STREAM_EXAMPLES, max_term_width = 110)]
pub(crate) struct IdentifyStreamArgs {
    /// URL of a stream, or a media file
    #[arg(short = 'i', value_name = "URL", help_heading = headings::INPUT)]
    pub(crate) input: String,
    /// Set the unknownAssetID of the responses
    #[arg(short = 'e', value_name = "ID", help_heading = headings::OUTPUT)]
    pub(crate) asset_id: String,
    /// Write the responses to this folder
    #[arg(short = 'O', value_name = "DIR", help_heading = headings::OUTPUT)]
    pub(crate) out: PathBuf,
    /// Write temporary files to this folder
    #[arg(short = 't', value_name = "DIR", help_heading = headings::OUTPUT)]
    pub(crate) temp: Option<PathBuf>,
    /// Read settings from this configuration file
    #[arg(short = 'c', value_name = "FILE", help_heading = headings::SETTINGS)]
    pub(crate) config: Option<PathBuf>,
}

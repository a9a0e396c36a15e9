//! `refrain monitor` and `identifyStream`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, ValueEnum};
use refrain_service::monitor::EventKind;
use refrain_stream::PcmFormat;
use refrain_stream::hls::RenditionChoice;

const LONG: &str = "\
Follow a live stream until it ends, and tell every song of the catalogue while
it plays: when it starts, and with its exact ends when it is over.";

const EXAMPLES: &str = "\
Examples:
  refrain monitor https://example.org/live/master.m3u8 --id studio-1 --out results/
  refrain monitor http://radio.example.org:8000/stream.mp3 --id radio
  refrain monitor udp://239.1.2.3:5000 --id tv-7 --json
  ffmpeg -i rtmp://example.org/app/key -f wav - | refrain monitor - --id rtmp
  arecord -f cd -t raw | refrain monitor - --pcm s16le:44100:2 --id desk

With --out each event becomes a file ID_YYYY_MM_DDTHH_MM_SS+ZZZZ.json, whole
when it appears and never over another. Without, or with --json, events are
lines of JSON on standard output; on a terminal a line each to read. Log lines
go to standard error, where that is no terminal.

Ctrl-C or SIGTERM ends the stream in good order: what has come is worked on and
the songs that play get their final event. A second signal ends at once.

Exit status: 0 the stream ended, or was ended, in good order; 2 it could not be
followed, or its events could not be written.";

/// Which events are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventArg {
    /// A song was found
    Start,
    /// It goes on
    Update,
    /// It is over
    Final,
    /// Nothing is told
    None,
}

impl EventArg {
    /// The event that it means, if any.
    pub(crate) fn kind(self) -> Option<EventKind> {
        match self {
            Self::Start => Some(EventKind::Start),
            Self::Update => Some(EventKind::Update),
            Self::Final => Some(EventKind::Final),
            Self::None => None,
        }
    }
}

/// `--rendition` as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RenditionArg(pub(crate) RenditionChoice);

impl FromStr for RenditionArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is no number"));
        if let Some(index) = text.strip_prefix('#') {
            let index = usize::try_from(number(index)?).map_err(|error| error.to_string())?;
            return Ok(Self(RenditionChoice::Index(index)));
        }
        match text.strip_prefix("max:") {
            Some(most) => Ok(Self(RenditionChoice::MaxBandwidth(number(most)?))),
            None if text.is_empty() => Err("it is empty; leave --rendition out for the usual one".to_owned()),
            None => Ok(Self(RenditionChoice::Name(text.to_owned()))),
        }
    }
}

/// Follow a live stream and tell every song while it plays
#[derive(Debug, Clone, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(crate) struct MonitorArgs {
    /// http(s): HLS or radio; udp, rtp: MPEG-TS; a file; - is standard input
    #[arg(value_name = "URL")]
    pub(crate) input: String,
    /// The unknownAssetID of the responses. Default: the last part of the URL
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Folder for a response file an event
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Folder in which these are written before they get their name. Default: the same
    #[arg(long, value_name = "DIR")]
    pub(crate) temp: Option<PathBuf>,
    /// Which events are told, separated by commas
    #[arg(long, value_name = "EVENTS", value_delimiter = ',', default_values = ["start", "final"])]
    pub(crate) events: Vec<EventArg>,
    /// Tell that a song goes on every so many seconds. Default: 30 with --events update, else never
    #[arg(long, value_name = "SECONDS", value_parser = update_seconds)]
    pub(crate) update_every: Option<f64>,
    /// Standard input or the file is raw PCM, like s16le:48000:2
    #[arg(long, value_name = "FORMAT")]
    pub(crate) pcm: Option<PcmFormat>,
    /// Rendition of a master playlist: its name, #0 for the first, or max:BITS a second. Default: audio alone, else
    /// the lowest bandwidth
    #[arg(long, value_name = "WHICH")]
    pub(crate) rendition: Option<RenditionArg>,
    /// Accept a private address for the name in the URL. Other hosts: monitor.private_hosts in the settings
    #[arg(long)]
    pub(crate) allow_private: bool,
    /// Accepted number of false events an hour, above 0. Default: 0.001
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) false_events_per_hour: Option<f64>,
    /// Events as lines of JSON on standard output, whatever that is, and beside --out
    #[arg(long)]
    pub(crate) json: bool,
    /// Log lines as JSON, also on a terminal
    #[arg(long)]
    pub(crate) log_json: bool,
    /// Log more
    #[arg(long, short)]
    pub(crate) verbose: bool,
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

The flags, files and names of the program that it replaces. A stream is followed
until it ends, with a response at the start and at the end of each song; a media
file has one response, if anything matches. The catalogue is named by the
configuration (TOML: catalog = \"…\") or by REFRAIN_CATALOG; what else is in the
configuration, and is not ours, is ignored with a warning.

Exit status: 0 in good order, 2 the input could not be followed or read.";

/// Find the songs of the catalogue in a stream or a media file
#[derive(Debug, Parser)]
#[command(name = "identifyStream", version, after_help = STREAM_EXAMPLES, max_term_width = 110)]
pub(crate) struct IdentifyStreamArgs {
    /// URL of a stream, or a media file
    #[arg(short = 'i', value_name = "URL")]
    pub(crate) input: String,
    /// Configuration file
    #[arg(short = 'c', value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The unknownAssetID of the responses
    #[arg(short = 'e', value_name = "ID")]
    pub(crate) asset_id: String,
    /// Folder for the responses
    #[arg(short = 'O', value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Folder for temporary files
    #[arg(short = 't', value_name = "DIR")]
    pub(crate) temp: Option<PathBuf>,
}

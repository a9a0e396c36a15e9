//! `refrain identify`.

use std::ffi::OsString;

use clap::Args;

use super::{JobsArg, headings};
use crate::settings::SearchEffort;
use crate::settings::keys::{help, long_help};

const LONG: &str = "\
Find the songs of the catalog in audio and video files. Each song is reported
with its start and end in the file and with the position in the song. `-` reads
standard input. A file at an http:// or https:// URL is downloaded first, up to
4 GiB and one hour. Use `refrain monitor` for live streams and playlists.";

const EXAMPLES: &str = "\
Examples:
  refrain identify clip.mp3
  refrain identify --explain noisy.wav
  refrain identify --effort thorough bootleg.mp3
  refrain identify --json uploads/*.mp4 > answers.jsonl
  refrain identify https://host.example/upload.mp4
  ffmpeg -i movie.mkv -f wav - | refrain identify -

With --json every input gets exactly one line, in the order of the command
line. Its statusCode is 2006 for a match and 2005 for no match. Refrain adds
these codes, with the reason in `error`:
  2900  the input could not be read
  2901  the input has no audio that can be decoded
  2902  the input exceeds a limit
  2909  internal error: the catalog failed, or a bug in refrain

Exit status: 0 at least one match, 1 no match, 2 no input could be read, 3 some
inputs could not be read.";

/// Find the songs of the catalog in files
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(crate) struct IdentifyArgs {
    /// Audio or video files, http:// or https:// URLs, s3:// objects, or - for standard input
    ///
    /// With s3://BUCKET/KEY or s3://BUCKET/PREFIX/ a report is written next to each object.
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<OsString>,
    /// Accept private addresses for the hosts in the URLs
    ///
    /// For other hosts, for example of redirects, use monitor.private_hosts in the settings.
    #[arg(long, help_heading = headings::INPUT)]
    pub(crate) allow_private: bool,
    #[arg(long, value_name = "P", help_heading = headings::MATCHING, help = help("false_positive_rate"), long_help = long_help("false_positive_rate"))]
    pub(crate) false_positive_rate: Option<f64>,
    #[arg(long, value_name = "EFFORT", help_heading = headings::MATCHING, help = help("effort"), long_help = long_help("effort"))]
    pub(crate) effort: Option<SearchEffort>,
    #[arg(long, value_name = "PART", help_heading = headings::MATCHING, help = help("speed_range"), long_help = long_help("speed_range"))]
    pub(crate) speed_range: Option<f64>,
    #[arg(long, value_name = "PART", help_heading = headings::MATCHING, help = help("tempo_range"), long_help = long_help("tempo_range"))]
    pub(crate) tempo_range: Option<f64>,
    #[arg(long, value_name = "CENTS", help_heading = headings::MATCHING, help = help("pitch_range"), long_help = long_help("pitch_range"))]
    pub(crate) pitch_range: Option<f64>,
    /// Write one JSON line per input instead of a table
    #[arg(long, help_heading = headings::OUTPUT)]
    pub(crate) json: bool,
    /// Include rejected candidates
    ///
    /// These are candidates that can be chance, and candidates whose audio a better match explains.
    #[arg(long, help_heading = headings::OUTPUT)]
    pub(crate) all: bool,
    /// Print the reasons why an input did not match
    #[arg(long, help_heading = headings::OUTPUT)]
    pub(crate) explain: bool,
    /// Set the unknownAssetID of the responses. Default: each file's name without its extension
    #[arg(long, value_name = "ID", help_heading = headings::OUTPUT)]
    pub(crate) asset_id: Option<String>,
    #[command(flatten)]
    pub(crate) jobs: JobsArg,
}

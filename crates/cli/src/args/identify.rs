//! `refrain identify`.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use refrain_core::matching::Effort;
use serde::Deserialize;

use super::JobsArg;

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

/// Search effort, the values of `--effort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EffortArg {
    /// Find clear audio at its original speed
    Fast,
    /// Also find audio under noise or speech, and audio with another speed, tempo or pitch
    Normal,
    /// Also find audio that is both degraded and changed. Several times slower
    Thorough,
}

impl From<EffortArg> for Effort {
    fn from(effort: EffortArg) -> Self {
        match effort {
            EffortArg::Fast => Self::Fast,
            EffortArg::Normal => Self::Normal,
            EffortArg::Thorough => Self::Thorough,
        }
    }
}

/// Find the songs of the catalog in files
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(crate) struct IdentifyArgs {
    /// Audio or video files, their http:// or https:// URLs, or - for standard input. With s3://BUCKET/KEY or
    /// s3://BUCKET/PREFIX/ a report is written next to each object
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<OsString>,
    /// Write one JSON line per input instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Include rejected candidates: those that can be chance, and those whose audio a better match explains
    #[arg(long)]
    pub(crate) all: bool,
    /// Print the reasons why an input did not match
    #[arg(long)]
    pub(crate) explain: bool,
    /// Set the accepted probability that an unknown input gives a match, above 0 and below 1. Default: 0.001
    #[arg(long, value_name = "P")]
    pub(crate) false_positive_rate: Option<f64>,
    /// Set the search effort for audio that is not found at once. Default: normal
    #[arg(long, value_name = "EFFORT")]
    pub(crate) effort: Option<EffortArg>,
    /// Search for changes of the speed, 0 (off) to 0.5: 0.5 covers 1/1.5 to 1.5 times the original speed. Default: 0.5
    #[arg(long, value_name = "PART")]
    pub(crate) speed_range: Option<f64>,
    /// Search for changes of the tempo at the original pitch, 0 (off) to 0.5, like --speed-range. Default: 0.14
    #[arg(long, value_name = "PART")]
    pub(crate) tempo_range: Option<f64>,
    /// Search for changes of the pitch at the original tempo, up to CENTS in both directions, 0 (off) to 700 (100 cents
    /// are a semitone). Default: 200
    #[arg(long, value_name = "CENTS")]
    pub(crate) pitch_range: Option<f64>,
    /// Set the unknownAssetID of the responses. Default: each file's name without its extension
    #[arg(long, value_name = "ID")]
    pub(crate) asset_id: Option<String>,
    /// Accept private addresses for the hosts in the URLs. For other hosts, for example of redirects, use
    /// monitor.private_hosts in the settings
    #[arg(long)]
    pub(crate) allow_private: bool,
    #[command(flatten)]
    pub(crate) jobs: JobsArg,
}

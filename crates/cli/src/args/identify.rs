//! `refrain identify`.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use refrain_core::matching::Effort;
use serde::Deserialize;

use super::JobsArg;

const LONG: &str = "\
Find the songs of the catalogue in files: every song in each file, with its
start and end in the file and its position in the song. `-` reads standard
input. A file behind http:// or https:// is downloaded first, up to 4 GiB and
one hour; live streams and playlists are for `refrain monitor`.";

const EXAMPLES: &str = "\
Examples:
  refrain identify clip.mp3
  refrain identify --explain noisy.wav
  refrain identify --effort thorough bootleg.mp3
  refrain identify --json uploads/*.mp4 > answers.jsonl
  refrain identify https://host.example/upload.mp4
  ffmpeg -i movie.mkv -f wav - | refrain identify -

With --json every input gets exactly one line, in the order of the command
line. Its statusCode is 2006 for a match, 2005 for none, and of our own:
  2900  the input could not be read
  2901  it holds no audio that can be decoded
  2902  it is over a limit
  2909  the catalogue failed, or a bug in refrain
These come with the reason in `error`.

Exit status: 0 at least one match, 1 no match, 2 no input could be read, 3 some
inputs could not.";

/// How hard to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EffortArg {
    /// What is heard well, at its own speed
    Fast,
    /// Under noise and speech too, and at other speeds, tempi and pitches
    Normal,
    /// Worn and changed at once; several times slower
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

/// Find the songs of the catalogue in files
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(crate) struct IdentifyArgs {
    /// Audio or video files; - is standard input; http:// and https:// URLs of files; or s3://BUCKET/KEY and s3://BUCKET/PREFIX/, whose reports are written
    /// beside them
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<OsString>,
    /// One JSON line per input instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Show candidates that were rejected, too: as chance, or because a better match explains the same sound
    #[arg(long)]
    pub(crate) all: bool,
    /// Say why an input did not match
    #[arg(long)]
    pub(crate) explain: bool,
    /// Accepted probability that an unknown input gives a match, above 0 and below 1. Default: 0.001
    #[arg(long, value_name = "P")]
    pub(crate) false_positive_rate: Option<f64>,
    /// How hard to look where nothing is found at once. Default: normal
    #[arg(long, value_name = "EFFORT")]
    pub(crate) effort: Option<EffortArg>,
    /// Speeds to look for: 0.5 is from 1/1.5 to 1.5 times the original, at most 0.5. 0 is off. Default: 0.5
    #[arg(long, value_name = "PART")]
    pub(crate) speed_range: Option<f64>,
    /// The same for a tempo changed without the pitch. Default: 0.14
    #[arg(long, value_name = "PART")]
    pub(crate) tempo_range: Option<f64>,
    /// Changes of the pitch without the tempo to look for, cents to both sides, at most 700 (100 are a semitone). 0 is
    /// off. Default: 200
    #[arg(long, value_name = "CENTS")]
    pub(crate) pitch_range: Option<f64>,
    /// The unknownAssetID of the responses. Default: each file's name without its extension
    #[arg(long, value_name = "ID")]
    pub(crate) asset_id: Option<String>,
    /// Accept private addresses for the names in the URLs. Other hosts: monitor.private_hosts in the settings
    #[arg(long)]
    pub(crate) allow_private: bool,
    #[command(flatten)]
    pub(crate) jobs: JobsArg,
}

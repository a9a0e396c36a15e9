//! `refrain plot`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::{JobsArg, headings};
use crate::settings::keys::{help, long_help};

/// Allowed widths of a picture in pixels. The size of text has a lower limit, so with a width of 320 pixels the
/// histograms and axes would take two thirds of the picture. A picture of 4096 × 4096 pixels takes 50 MB of memory, and
/// each job holds one picture.
const WIDTH_RANGE_PX: std::ops::RangeInclusive<u64> = 640..=4096;
/// Allowed heights of a picture in pixels. Heading, captions and axes of the picture of a match take about 180 pixels
/// at the smallest scale, so with a height of 200 pixels its panels would have no space. The maximum limits the memory,
/// as for the width.
const HEIGHT_RANGE_PX: std::ops::RangeInclusive<u64> = 400..=4096;

const LONG: &str = "\
Draw the data that the search works with as PNG files, which show why an input
matched or did not. `-` reads standard input.

NAME.spectrogram.png: the power of the audio over time and frequency, with the
  peaks of the fingerprint. Bright rings are peaks at the density of a reference
  in the catalog, faint dots the additional peaks of a query. The songs that
  were found are marked above the spectrogram.
NAME.match-1.png, …: one picture per song found, in order of time. It shows
  where the peaks of the song are expected in the input, which of them were
  found, and how early or late they are: a match is a dense straight line at
  0 ms, a chance hit is spread evenly.

The names of the written files are printed, one per line. Existing files of the
same names are replaced.";

const EXAMPLES: &str = "\
Examples:
  refrain plot clip.mp3
  refrain plot --from 1:00 --to 1:15 concert.ogg      these 15 seconds only
  refrain plot --all noisy.wav                        include rejected candidates
  refrain plot --out pictures --width 2400 --height 1350 *.wav
  ffmpeg -i movie.mkv -f wav - | refrain plot -       stdin.spectrogram.png …

Exit status: 0 at least one match, 1 no match (the spectrogram is drawn), 2 no
input could be drawn, 3 some inputs could not be drawn.";

/// Draw the spectrogram of files and the alignment of the songs found in them
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(crate) struct PlotArgs {
    /// Audio or video files, or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<OsString>,
    /// Draw from this time on. Default: the start of the input
    ///
    /// The time is given as seconds, m:ss or h:mm:ss.
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = headings::INPUT)]
    pub(crate) from: Option<f64>,
    /// Draw up to this time. Default: 30 seconds after --from
    ///
    /// The time is given as seconds, m:ss or h:mm:ss. Without --from and --to, all matches are drawn.
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = headings::INPUT)]
    pub(crate) to: Option<f64>,
    #[arg(long, value_name = "P", help_heading = headings::MATCHING, help = help("false_positive_rate"), long_help = long_help("false_positive_rate"))]
    pub(crate) false_positive_rate: Option<f64>,
    /// Write the pictures to this folder, which is created if it does not exist
    #[arg(long, value_name = "DIR", default_value = ".", help_heading = headings::OUTPUT)]
    pub(crate) out: PathBuf,
    /// Set the width of the pictures in pixels
    #[arg(
        long,
        value_name = "PX",
        default_value_t = 1600,
        value_parser = RangedU64ValueParser::<u32>::new().range(WIDTH_RANGE_PX),
        help_heading = headings::OUTPUT
    )]
    pub(crate) width: u32,
    /// Set the height of the pictures in pixels
    #[arg(
        long,
        value_name = "PX",
        default_value_t = 900,
        value_parser = RangedU64ValueParser::<u32>::new().range(HEIGHT_RANGE_PX),
        help_heading = headings::OUTPUT
    )]
    pub(crate) height: u32,
    /// Draw rejected candidates as well (NAME.rejected-1.png, …)
    #[arg(long, help_heading = headings::OUTPUT)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) jobs: JobsArg,
}

/// Parses a time, for example `75`, `75.5`, `1:15.5` or `1:01:15`, and returns it in seconds.
fn parse_time(text: &str) -> Result<f64, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let plain =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let numbers: Option<Vec<f64>> =
        parts.iter().map(|part| if plain(part) { part.parse().ok() } else { None }).collect();
    let (last, first) = match numbers.as_deref().and_then(<[f64]>::split_last) {
        Some((last, first)) if first.len() <= 2 => (*last, first.to_vec()),
        _ => return Err("use seconds, m:ss or h:mm:ss, for example 75 or 1:15.5".to_owned()),
    };
    if !first.is_empty() && (last >= 60.0 || first[1..].iter().any(|minutes| *minutes >= 60.0)) {
        return Err("minutes and seconds after a colon must be below 60".to_owned());
    }
    Ok(first.iter().fold(0.0, |sum, part| (sum + part) * 60.0) + last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_parsed_as_seconds_or_with_colons() {
        for (text, seconds) in
            [("0", 0.0), ("75.5", 75.5), ("1:15.5", 75.5), ("1:01:15", 3675.0), ("90:00", 5400.0)]
        {
            assert_eq!(parse_time(text), Ok(seconds), "{text}");
        }
        for text in ["", ":", "1:", "-1", "1e3", "NaN", "inf", "1:60", "1:2:3:4", "1:60:00", "1.2.3", "5 s"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}

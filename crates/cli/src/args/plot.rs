//! `refrain plot`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::JobsArg;

/// Sides of a picture in pixels: narrower there is no room for the text, and 4096 × 4096 take 50 MB a picture.
const WIDTHS: std::ops::RangeInclusive<u64> = 640..=4096;
const HEIGHTS: std::ops::RangeInclusive<u64> = 400..=4096;

const LONG: &str = "\
Draw what the engine hears, as PNG files, so that a person can see why an input
matched or did not. `-` reads standard input.

NAME.spectrogram.png: the power of the sound over time and frequency, with the
  peaks that the fingerprint is made of. Bright rings are the peaks that a song
  keeps in the catalogue, faint dots the further ones of a query. Songs that
  were found are marked above.
NAME.match-1.png, …: for each song found, in order of time, where its peaks are
  expected in the input, which of them are there, and how early or late: a
  match is a straight dense line at 0 ms, chance is spread evenly.

The names of the files written are printed, one a line. Older pictures of the
same names are replaced.";

const EXAMPLES: &str = "\
Examples:
  refrain plot clip.mp3
  refrain plot --from 1:00 --to 1:15 concert.ogg      these 15 seconds only
  refrain plot --all noisy.wav                        rejected candidates, too
  refrain plot --out pictures --width 2400 --height 1350 *.wav
  ffmpeg -i movie.mkv -f wav - | refrain plot -       stdin.spectrogram.png …

Exit status: 0 at least one match, 1 no match (the spectrogram is drawn), 2 no
input could be drawn, 3 some inputs could not.";

/// Draw the spectrogram of files and how the songs found in them line up
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(crate) struct PlotArgs {
    /// Audio or video files; - is standard input
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<OsString>,
    /// Folder for the pictures; made if it is not there
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Start of the stretch that is drawn: seconds, or m:ss, or h:mm:ss. Default: the start
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) from: Option<f64>,
    /// End of the stretch that is drawn. Default: 30 seconds after its start. Where neither is
    /// given, matches are drawn wherever they are
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) to: Option<f64>,
    /// Width of the pictures in pixels
    #[arg(long, value_name = "PX", default_value_t = 1600, value_parser = RangedU64ValueParser::<u32>::new().range(WIDTHS))]
    pub(crate) width: u32,
    /// Height of the pictures in pixels
    #[arg(long, value_name = "PX", default_value_t = 900, value_parser = RangedU64ValueParser::<u32>::new().range(HEIGHTS))]
    pub(crate) height: u32,
    /// Draw candidates that were rejected, too (NAME.rejected-1.png, …)
    #[arg(long)]
    pub(crate) all: bool,
    /// Accepted probability that a match is chance, above 0 and below 1. Default: 0.0001
    #[arg(long, value_name = "P")]
    pub(crate) false_positive_rate: Option<f64>,
    #[command(flatten)]
    pub(crate) jobs: JobsArg,
}

/// A time as people write it: `75`, `75.5`, `1:15.5` or `1:01:15`.
fn time(text: &str) -> Result<f64, String> {
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
        return Err("minutes and seconds after a colon are below 60".to_owned());
    }
    Ok(first.iter().fold(0.0, |sum, part| (sum + part) * 60.0) + last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_have_colons() {
        for (text, seconds) in
            [("0", 0.0), ("75.5", 75.5), ("1:15.5", 75.5), ("1:01:15", 3675.0), ("90:00", 5400.0)]
        {
            assert_eq!(time(text), Ok(seconds), "{text}");
        }
        for text in ["", ":", "1:", "-1", "1e3", "NaN", "inf", "1:60", "1:2:3:4", "1:60:00", "1.2.3", "5 s"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}

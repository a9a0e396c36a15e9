//! Reads the spectral peaks of a file and draws them as SVG.
//!
//! Usage: `draw_peaks FILE PICTURE.svg`. Dependency: `refrain-core`.

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;

use refrain_core::audio::{AudioReader, Limits};
use refrain_core::fingerprint::{Density, Fingerprinter, STEPS_PER_HERTZ, TICKS_PER_SECOND};

/// Width of a second and height of a kilohertz, pixels.
const SCALE: (f64, f64) = (60.0, 80.0);

/// Highest frequency of peaks, kilohertz.
const TOP: f64 = 5.0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(file), Some(picture)) = (arguments.next(), arguments.next()) else {
        return Err("usage: draw_peaks FILE PICTURE.svg".into());
    };
    let mut reader = AudioReader::open(&file, &Limits::default())?;
    let mut fingerprinter = Fingerprinter::new(Density::Query);
    while let Some(samples) = reader.next_chunk()? {
        fingerprinter.push(samples);
    }
    let constellation = fingerprinter.finish();
    let (width, height) = (constellation.seconds * SCALE.0, TOP * SCALE.1);
    let mut svg =
        format!("<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0}' height='{height:.0}'>\n");
    for peak in &constellation.peaks {
        let seconds = f64::from(peak.time) / TICKS_PER_SECOND;
        let kilohertz = f64::from(peak.frequency) / STEPS_PER_HERTZ / 1000.0;
        let (x, y) = (seconds * SCALE.0, (TOP - kilohertz) * SCALE.1);
        // A reference keeps only the peaks of low rank: these are the large dots.
        let radius = if peak.rank < Density::Reference.rank_limit() { 2.5 } else { 1.0 };
        writeln!(svg, "<circle cx='{x:.1}' cy='{y:.1}' r='{radius}'/>")?;
    }
    svg.push_str("</svg>\n");
    std::fs::write(picture, svg)?;
    Ok(())
}

//! Histograms next to the panels of a match: numbers of peaks by frequency and by delay.

use anyhow::Result;
use plotters::element::Rectangle;
use plotters::style::Color;
use refrain_core::fingerprint::{TICKS_PER_SECOND, warp_hertz};

use super::aligned::{Aligned, TOLERANCE};
use super::draw::{Area, Axis, BAND, FOUND, GHOST, Look, MISSING, Margins, chart, grid, minus};
use super::frequency;

/// Number of bands of the frequency axis.
const BANDS: usize = 16;
/// Width of a bin of delays in milliseconds, which is one tick, the resolution of the times of peaks.
const BIN: f64 = 1000.0 / TICKS_PER_SECOND;
/// Labels of the axis of delays, in milliseconds.
const LATE_TICKS: [i32; 7] = [-150, -100, -50, 0, 50, 100, 150];

/// Returns the axis of delays from `-reach` to `reach` milliseconds.
pub(super) fn late_axis(reach: f64) -> Axis {
    let ticks = LATE_TICKS.iter().map(|at| (f64::from(*at), minus(&at.to_string()))).collect();
    Axis::new(-reach..reach, ticks, "late (ms)")
}

/// Draws the numbers of expected and found peaks by frequency. A telephone line or a codec is visible as bands without
/// found peaks.
pub(super) fn bands(area: &Area<'_>, look: &Look, margins: Margins, aligned: &Aligned) -> Result<()> {
    let y = frequency::axis().bare();
    let (low, step) = (y.range.start, (y.range.end - y.range.start) / BANDS as f64);
    let mut counts = [(0usize, 0usize); BANDS];
    for peak in &aligned.expected {
        let band = ((warp_hertz(peak.hertz) - low) / step).max(0.0) as usize;
        let (expected, found) = &mut counts[band.min(BANDS - 1)];
        *expected += 1;
        *found += usize::from(peak.found);
    }
    let most = counts.iter().map(|(expected, _)| *expected).max().unwrap_or(0);
    let x = Axis::count(most, "peaks");
    let mut chart = chart(area, look, margins, &x, &y)?;
    grid(&mut chart, look, &x, &y, true)?;
    let plot = chart.plotting_area();
    for (k, (expected, found)) in counts.into_iter().enumerate() {
        let (bottom, top) = (low + k as f64 * step, low + (k as f64 + 0.86) * step);
        let bar = |count: usize| [(0.0, bottom), (count as f64, top)];
        plot.draw(&Rectangle::new(bar(expected), MISSING.mix(0.3).filled()))?;
        plot.draw(&Rectangle::new(bar(found), FOUND.filled()))?;
    }
    Ok(())
}

/// Draws the numbers of near peaks by delay. A match has a tower at 0 ms, a chance hit is flat.
pub(super) fn offsets(
    area: &Area<'_>,
    look: &Look,
    margins: Margins,
    aligned: &Aligned,
    reach: f64,
) -> Result<()> {
    let y = late_axis(reach).bare();
    // Number of bins on each side of the bin at 0 ms.
    let side = (reach / BIN) as usize;
    let mut counts = vec![0usize; 2 * side + 1];
    for near in &aligned.near {
        let bin = (near.late / BIN).round() + side as f64;
        if let Some(count) = counts.get_mut(bin.max(0.0) as usize) {
            *count += 1;
        }
    }
    let x = Axis::count(counts.iter().copied().max().unwrap_or(0), "peaks");
    let mut chart = chart(area, look, margins, &x, &y)?;
    let plot = chart.plotting_area().clone();
    let band = [(0.0, -TOLERANCE), (x.range.end, TOLERANCE)];
    plot.draw(&Rectangle::new(band, BAND.mix(0.22).filled()))?;
    grid(&mut chart, look, &x, &y, true)?;
    for (k, count) in counts.into_iter().enumerate() {
        let late = (k as f64 - side as f64) * BIN;
        let bar = [(0.0, (late - BIN / 2.0).max(-reach)), (count as f64, (late + BIN / 2.0).min(reach))];
        let colour = if late.abs() <= TOLERANCE { FOUND } else { GHOST };
        plot.draw(&Rectangle::new(bar, colour.filled()))?;
    }
    Ok(())
}

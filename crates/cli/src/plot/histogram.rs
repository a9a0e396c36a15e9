//! Histograms next to the panels of a match: number of peaks by frequency, and number of peaks by delay.

use anyhow::Result;
use plotters::element::Rectangle;
use plotters::style::Color;
use refrain_core::fingerprint::{TICKS_PER_SECOND, warp_hertz};

use super::aligned::{Aligned, TOLERANCE_MS};
use super::draw::{Area, Axis, BAND, FOUND, GHOST, MISSING, Margins, PictureTheme, chart, grid, minus};
use super::frequency;

/// Number of bands of the frequency axis, which is enough to show the limits of a telephone line (300 and 3,400 Hz).
/// With 32, the bands of a short clip would have too few peaks to compare them.
const BANDS: usize = 16;
/// Width of a bin of delays in milliseconds. It is one tick, the resolution of the times of peaks.
const BIN_MS: f64 = 1000.0 / TICKS_PER_SECOND;
/// Ticks of the axis of delays, in milliseconds.
const LATE_TICKS: [i32; 7] = [-150, -100, -50, 0, 50, 100, 150];

/// Returns the axis of delays from `-max_delay_ms` to `max_delay_ms` milliseconds.
pub(super) fn late_axis(max_delay_ms: f64) -> Axis {
    let ticks = LATE_TICKS.iter().map(|at| (f64::from(*at), minus(&at.to_string()))).collect();
    Axis::new(-max_delay_ms..max_delay_ms, ticks, "late (ms)")
}

/// Draws bars with the numbers of expected and of found peaks per frequency band. In audio from a telephone line or a
/// codec, the bands that are cut off have no found peaks.
pub(super) fn bands(
    area: &Area<'_>,
    theme: &PictureTheme,
    margins: Margins,
    aligned: &Aligned,
) -> Result<()> {
    let y = frequency::axis().without_labels();
    let (low, step) = (y.range.start, (y.range.end - y.range.start) / BANDS as f64);
    let mut counts = [(0usize, 0usize); BANDS];
    for peak in &aligned.expected {
        // A changed pitch can move expected peaks beyond the axis. They are counted in the lowest or highest band.
        let band = ((warp_hertz(peak.hertz) - low) / step).max(0.0) as usize;
        let (expected, found) = &mut counts[band.min(BANDS - 1)];
        *expected += 1;
        *found += usize::from(peak.found);
    }
    let max_count = counts.iter().map(|(expected, _)| *expected).max().unwrap_or(0);
    let x = Axis::count(max_count, "peaks");
    let mut chart = chart(area, theme, margins, &x, &y)?;
    grid(&mut chart, theme, &x, &y, true)?;
    let plot = chart.plotting_area();
    for (k, (expected, found)) in counts.into_iter().enumerate() {
        let (bottom, top) = (low + k as f64 * step, low + (k as f64 + 0.86) * step);
        let bar = |count: usize| [(0.0, bottom), (count as f64, top)];
        plot.draw(&Rectangle::new(bar(expected), MISSING.mix(0.3).filled()))?;
        plot.draw(&Rectangle::new(bar(found), FOUND.filled()))?;
    }
    Ok(())
}

/// Draws bars with the numbers of near peaks by delay. For a true match, the bars around 0 ms are much longer than the
/// others; for a chance hit, all bars are similar.
pub(super) fn offsets(
    area: &Area<'_>,
    theme: &PictureTheme,
    margins: Margins,
    aligned: &Aligned,
    max_delay_ms: f64,
) -> Result<()> {
    let y = late_axis(max_delay_ms).without_labels();
    // Number of bins on each side of the bin at 0 ms.
    let side = (max_delay_ms / BIN_MS) as usize;
    let mut counts = vec![0usize; 2 * side + 1];
    for near in &aligned.near {
        let bin = (near.late_ms / BIN_MS).round() + side as f64;
        if let Some(count) = counts.get_mut(bin.max(0.0) as usize) {
            *count += 1;
        }
    }
    let x = Axis::count(counts.iter().copied().max().unwrap_or(0), "peaks");
    let mut chart = chart(area, theme, margins, &x, &y)?;
    let plot = chart.plotting_area().clone();
    let band = [(0.0, -TOLERANCE_MS), (x.range.end, TOLERANCE_MS)];
    plot.draw(&Rectangle::new(band, BAND.mix(0.22).filled()))?;
    grid(&mut chart, theme, &x, &y, true)?;
    for (k, count) in counts.into_iter().enumerate() {
        let late_ms = (k as f64 - side as f64) * BIN_MS;
        let bar = [
            (0.0, (late_ms - BIN_MS / 2.0).max(-max_delay_ms)),
            (count as f64, (late_ms + BIN_MS / 2.0).min(max_delay_ms)),
        ];
        let color = if late_ms.abs() <= TOLERANCE_MS { FOUND } else { GHOST };
        plot.draw(&Rectangle::new(bar, color.filled()))?;
    }
    Ok(())
}

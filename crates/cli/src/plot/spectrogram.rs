//! The picture of an input. It shows the spectrogram, the peaks of the fingerprint and the songs that were found.

use std::ops::Range;

use anyhow::Result;
use plotters::element::{BitMapElement, Circle, Rectangle};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, WHITE};
use refrain_core::fingerprint::{Density, Peak, Picture};

use super::draw::{
    Area, Axis, BARE, Chart, FAINT, HeatMap, INK, Margins, PEAK, PictureTheme, chart, grid, minus,
};
use super::frequency;
use super::lanes::{Lanes, SongBar};
use super::levels::SpectrogramLevels;
use super::peaks::{coordinates, fitting_rank_limit, within};
use crate::output::clock;

/// Title: height of its text and distance from the top of the picture. This and all other lengths are in pixels at the
/// natural size of a picture (1600 × 900).
const TITLE: (f64, f64) = (26.0, 16.0);
/// Line below the title: height of its text and distance from the top of the picture, in pixels at the natural size.
const FACTS: (f64, f64) = (16.0, 54.0);
/// Distance of the contents from the edges of the picture, in pixels at the natural size.
const MARGIN: f64 = 24.0;
/// Height of the heading, which consists of the title and the line below it, in pixels at the natural size.
const HEADING: f64 = 86.0;
/// Distance between the parts of the picture, in pixels at the natural size.
const GAP: f64 = 8.0;
/// Width that is reserved at the right for the scale of levels, in pixels at the natural size.
const SCALE: f64 = 100.0;
/// Width of the colours in the scale of levels, in pixels at the natural size.
const SCALE_WIDTH: f64 = 20.0;
/// Radius of the rings, in pixels at the natural size. The rings mark the peaks that a fingerprint of reference density
/// keeps.
const RING: f64 = 4.0;
/// Radius of the dots, in pixels at the natural size. The dots mark the additional peaks that a fingerprint of query
/// density keeps.
const DOT: f64 = 1.6;
/// Minimum area of the spectrogram per ring, in pixels at the natural size. More rings would hide the spectrogram. A
/// ring with its shadow is 10 pixels wide, so with this area the rings cover a tenth of the spectrogram. 30 s of music,
/// with 30 such peaks per second, have enough space at the natural size.
const MIN_RING_AREA: f64 = 700.0;
/// Minimum area of the spectrogram per peak, in pixels at the natural size, if dots are drawn. A dot covers about 8
/// pixels. With 30, the dots of a long input would form a grey veil; with 120, dots would be missing although there is
/// space for them.
const MIN_DOT_AREA: f64 = 60.0;
/// Decibels between two ticks of the scale of levels.
const LEVEL_STEP: i32 = 10;

/// The values that the picture of an input shows.
#[derive(Debug)]
pub(super) struct SpectrogramView<'a> {
    /// Name of the input.
    pub(super) name: &'a str,
    /// Title of the match, number of matches, or `no match`, as one line of text.
    pub(super) verdict: &'a str,
    /// The time range that is drawn, in seconds of the input.
    pub(super) shown: Range<f64>,
    /// Duration of the input in seconds.
    pub(super) seconds: f64,
    pub(super) picture: &'a Picture,
    /// All peaks of the input, in order of time.
    pub(super) peaks: &'a [Peak],
    pub(super) songs: &'a [SongBar],
}

/// Draws the picture of an input.
pub(super) fn draw(area: &Area<'_>, theme: &PictureTheme, view: &SpectrogramView<'_>) -> Result<()> {
    let (margin, width) = (theme.px(MARGIN), area.dim_in_pixel().0 as i32);
    let lanes = Lanes::new(view.songs, &view.shown);
    let margins = Margins {
        top: theme.px(HEADING) + lanes.height(theme) + theme.px(GAP),
        right: theme.px(SCALE) + margin,
        bottom: theme.px(GAP),
        left: theme.px(GAP),
    };
    let levels = SpectrogramLevels::new(view.picture);
    let x = Axis::time(view.shown.clone(), "time in the input", width - margins.right - margins.left, theme);
    let y = frequency::axis();
    let mut chart = chart(area, theme, margins, &x, &y)?;
    let (across, down) = chart.plotting_area().get_pixel_range();
    heat(area, (&across, &down), view, &levels)?;
    grid(&mut chart, theme, &x, &y, false)?;
    let counts = constellation(&chart, theme, view, (across.len(), down.len()))?;
    scale(area, theme, &levels, (across.end + theme.px(GAP) * 2, down))?;
    lanes.draw(area, theme, &across, theme.px(HEADING))?;
    heading(area, theme, view, &counts, lanes.hidden())
}

/// Draws the spectrogram: converts the level at each pixel of the chart to a colour.
fn heat(
    area: &Area<'_>,
    (across, down): (&Range<i32>, &Range<i32>),
    view: &SpectrogramView<'_>,
    levels: &SpectrogramLevels,
) -> Result<()> {
    let (width, height) = (across.len(), down.len());
    let heat = HeatMap::new();
    // The range of bins of a row is the same in all columns, so it is computed once.
    let rows: Vec<(f64, f64)> = (0..height)
        .map(|row| {
            let edge = |row: usize| view.picture.bin_at(frequency::at(1.0 - row as f64 / height as f64));
            (edge(row + 1), edge(row))
        })
        .collect();
    let span = view.shown.end - view.shown.start;
    let mut pixels = vec![0; width * height * 3];
    for column in 0..width {
        let seconds = view.shown.start + (column as f64 + 0.5) / width as f64 * span;
        let at = view.picture.column_at(seconds);
        for (row, bins) in rows.iter().enumerate() {
            let color = levels.part(at, *bins).map_or([BARE.0, BARE.1, BARE.2], |part| heat.of(part));
            pixels[(row * width + column) * 3..][..3].copy_from_slice(&color);
        }
    }
    let size = (width as u32, height as u32);
    if let Some(image) = BitMapElement::with_owned_buffer((across.start, down.start), size, pixels) {
        area.draw(&image)?;
    }
    Ok(())
}

/// Numbers of peaks in the drawn range, and the rank limit of those that are drawn.
#[derive(Debug)]
struct PeakCounts {
    rings: usize,
    dots: usize,
    /// Only peaks whose rank is below this limit are drawn.
    drawn_below: u8,
}

/// Draws the peaks as rings and dots. If there are too many for the size of the picture, those with high ranks are left
/// out.
fn constellation(
    chart: &Chart<'_, '_>,
    theme: &PictureTheme,
    view: &SpectrogramView<'_>,
    (width, height): (usize, usize),
) -> Result<PeakCounts> {
    let peaks = within(view.peaks, &view.shown);
    let reference_limit = Density::Reference.rank_limit();
    let pixels = (width * height) as f64 / theme.area();
    let rings_below = fitting_rank_limit(peaks, reference_limit, pixels / MIN_RING_AREA);
    // Dots mark weaker peaks, so they are drawn only if there is space for all rings.
    let drawn_below = if rings_below < reference_limit {
        rings_below
    } else {
        fitting_rank_limit(peaks, Density::Query.rank_limit(), pixels / MIN_DOT_AREA)
    };
    let area = chart.plotting_area();
    // Dots are drawn before the rings, so that they do not cover the rings.
    for peak in peaks.iter().filter(|peak| (reference_limit..drawn_below).contains(&peak.rank)) {
        area.draw(&Circle::new(coordinates(peak), theme.pen(DOT), WHITE.mix(0.6).filled()))?;
    }
    for peak in peaks.iter().filter(|peak| peak.rank < rings_below) {
        // The dark ring makes the bright ring visible on loud parts of the spectrogram.
        let (shadow, bright) = (BARE.mix(0.75), PEAK.stroke_width(theme.pen(1.5)));
        area.draw(&Circle::new(
            coordinates(peak),
            theme.pen(RING + 1.0),
            shadow.stroke_width(theme.pen(1.5)),
        ))?;
        area.draw(&Circle::new(coordinates(peak), theme.pen(RING), bright))?;
    }
    let rings = peaks.iter().filter(|peak| peak.rank < reference_limit).count();
    Ok(PeakCounts { rings, dots: peaks.len() - rings, drawn_below: drawn_below.max(rings_below) })
}

/// Draws the scale of levels: the colours, and ticks with levels in decibels.
fn scale(
    area: &Area<'_>,
    theme: &PictureTheme,
    levels: &SpectrogramLevels,
    (left, down): (i32, Range<i32>),
) -> Result<()> {
    let (heat, width) = (HeatMap::new(), theme.px(SCALE_WIDTH));
    let height = f64::from(down.end - down.start);
    for y in down.clone() {
        let [r, g, b] = heat.of(1.0 - ((f64::from(y - down.start) + 0.5) / height) as f32);
        let color = plotters::style::RGBColor(r, g, b).filled();
        area.draw(&Rectangle::new([(left, y), (left + width, y + 1)], color))?;
    }
    let style = theme.text(15.0, INK, HPos::Left, VPos::Center);
    let (low, high) = levels.range();
    for level in (low..=high).filter(|level| level % LEVEL_STEP == 0) {
        let part = f64::from(level - low) / f64::from(high - low);
        let y = down.end - (part * height).round() as i32;
        let tick = [(left + width, y), (left + width + theme.px(5.0), y + theme.pen(1.0) as i32)];
        area.draw(&Rectangle::new(tick, INK.filled()))?;
        let label = plotters::element::Text::new(
            minus(&level.to_string()),
            (left + width + theme.px(9.0), y),
            style.clone(),
        );
        area.draw(&label)?;
    }
    let at = (left, down.end + theme.px(GAP));
    theme.write(area, "dBFS", (15.0, FAINT, HPos::Left), at, theme.px(SCALE))
}

fn heading(
    area: &Area<'_>,
    theme: &PictureTheme,
    view: &SpectrogramView<'_>,
    counts: &PeakCounts,
    hidden: usize,
) -> Result<()> {
    let (margin, width) = (theme.px(MARGIN), area.dim_in_pixel().0 as i32);
    let title = format!("{} – {}", view.name, view.verdict);
    let all = width - 2 * margin;
    theme.write(area, &title, (TITLE.0, INK, HPos::Left), (margin, theme.px(TITLE.1)), all)?;
    let reference_limit = Density::Reference.rank_limit();
    let mut legend = Vec::new();
    if counts.drawn_below > reference_limit {
        legend.push((false, format!("{} more peaks at query density", counts.dots)));
        if counts.drawn_below < Density::Query.rank_limit() {
            legend[0].1 = format!("{} more peaks at query density, the strongest drawn", counts.dots);
        }
    }
    let strongest = if counts.drawn_below < reference_limit { ", the strongest drawn" } else { "" };
    legend.push((true, format!("{} peaks at reference density{strongest}", counts.rings)));
    let mut right = width - margin;
    let y = theme.px(FACTS.1);
    // The legend is drawn from right to left, and the text at the left gets the remaining width.
    for (ring, text) in legend {
        let left = right - theme.width(&text, FACTS.0);
        theme.write(area, &text, (FACTS.0, FAINT, HPos::Left), (left, y), all)?;
        right = left - theme.px(34.0);
        symbol(area, theme, ring, (left - theme.px(16.0), y + theme.px(FACTS.0 / 2.0)))?;
    }
    let (from, to) = (clock(view.shown.start), clock(view.shown.end));
    let mut facts = format!("Spectrogram with its constellation, {from} to {to} of {}", clock(view.seconds));
    if hidden > 0 {
        facts = format!("{facts}; {hidden} more songs are not marked");
    }
    theme.write(area, &facts, (FACTS.0, FAINT, HPos::Left), (margin, y), right - margin)
}

/// Draws a symbol of the legend on the background colour of the spectrogram: a ring if `ring` is true, otherwise a dot.
fn symbol(area: &Area<'_>, theme: &PictureTheme, ring: bool, (x, y): (i32, i32)) -> Result<()> {
    let half = theme.px(9.0);
    let background = Rectangle::new([(x - half, y - half), (x + half, y + half)], BARE.filled());
    area.draw(&background)?;
    let circle = if ring {
        Circle::new((x, y), theme.pen(RING), PEAK.stroke_width(theme.pen(1.5)))
    } else {
        Circle::new((x, y), theme.pen(DOT), WHITE.mix(0.8).filled())
    };
    Ok(area.draw(&circle)?)
}

//! The picture of a match: the expected peaks of the song, which of them were found in the input, and their delays.

use std::ops::Range;

use anyhow::Result;
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor};
use refrain_core::fingerprint::{Density, Peak, warp_hertz};

use super::aligned::{Aligned, Expected, Line, TOLERANCE};
use super::draw::{Area, Axis, BAND, Chart, FAINT, FOUND, GHOST, INK, Look, MISSING, Margins, chart, grid};
use super::frequency;
use super::histogram;
use super::peaks::{fitting, place, within};

/// Title line: height of the text and its distance from the top. All lengths are in pixels at the natural size.
const TITLE: (f64, f64) = (26.0, 16.0);
/// Line of values below the title: height of the text and its distance from the top.
const FACTS: (f64, f64) = (17.0, 53.0);
/// Height of the heading.
const HEADING: f64 = 82.0;
/// Distance of the contents from the edges.
const MARGIN: f64 = 24.0;
/// Height of the text of the caption above a panel.
const CAPTION: f64 = 16.0;
/// Distance of a caption from the top of its panel.
const CAPTION_TOP: f64 = 8.0;
/// Height that is reserved for a caption.
const CAPTION_ROOM: f64 = 34.0;
/// Height that is reserved for the axis of the time in the song, above the upper panel.
const SONG_ROOM: f64 = 34.0;
/// Width of the column of histograms.
const COLUMN: f64 = 250.0;
/// Fraction of the height for the upper panel.
const UPPER: f64 = 0.62;
/// Radius of the dots of the peaks of the song.
const DOT: f64 = 3.6;
/// Radius of the dots of the peaks of the input.
const GHOST_DOT: f64 = 1.8;
/// Area in pixels per peak of the song below which the dots are smaller.
const ROOM_FOR_DOT: f64 = 400.0;
/// Minimum area in pixels per peak of the input. More peaks would hide the peaks of the song.
const ROOM_FOR_GHOST: f64 = 150.0;
/// Maximum distance in milliseconds of two peaks that are compared. It is larger than the tolerance, so that chance hits are
/// visible next to the line of a match.
const REACH: f64 = 150.0;
/// Maximum number of dots of the lower panel. If there are more, only every n-th is drawn.
const MOST_NEAR: usize = 20_000;

/// Contents of the picture.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) title: &'a str,
    /// Values of the match as one line.
    pub(super) facts: &'a str,
    pub(super) line: Line,
    /// Peaks of the song.
    pub(super) song: &'a [Peak],
    /// Peaks of the input.
    pub(super) input: &'a [Peak],
    /// Time range of the upper panel, in seconds of the input.
    pub(super) detail: Range<f64>,
}

/// Draws the picture.
pub(super) fn draw(area: &Area<'_>, look: &Look, view: &View<'_>) -> Result<()> {
    let (width, height) = (area.dim_in_pixel().0 as i32, area.dim_in_pixel().1 as i32);
    let (margin, all) = (look.px(MARGIN), area.dim_in_pixel().0 as i32 - 2 * look.px(MARGIN));
    look.write(area, view.title, (TITLE.0, INK, HPos::Left), (margin, look.px(TITLE.1)), all)?;
    look.write(area, view.facts, (FACTS.0, FAINT, HPos::Left), (margin, look.px(FACTS.1)), all)?;
    let aligned = Aligned::new(view.song, view.input, &view.line, REACH);
    let (_, body) = area.split_vertically(look.px(HEADING));
    let upper = (f64::from(height - look.px(HEADING)) * UPPER) as i32;
    let (upper, lower) = body.split_vertically(upper);
    let split = width - look.px(COLUMN) - margin;
    let ((peaks, bands), (times, offsets)) =
        (upper.split_horizontally(split), lower.split_horizontally(split));
    peak_panel(&peaks, look, view, &aligned)?;
    time_panel(&times, look, view, &aligned)?;
    let top = look.px(CAPTION_ROOM + SONG_ROOM);
    let margins = Margins { top, right: margin, bottom: 0, left: 0 };
    histogram::bands(&bands, look, margins, &aligned)?;
    caption(&bands, look, 0, "found by frequency, whole match")?;
    let margins = Margins { top: look.px(CAPTION_ROOM), right: margin, bottom: look.px(8.0), left: 0 };
    histogram::offsets(&offsets, look, margins, &aligned, REACH)?;
    caption(&offsets, look, 0, "peaks by delay")
}

fn caption(area: &Area<'_>, look: &Look, left: i32, text: &str) -> Result<()> {
    let room = area.dim_in_pixel().0 as i32 - left;
    look.write(area, text, (CAPTION, FAINT, HPos::Left), (left, look.px(CAPTION_TOP)), room)
}

/// Returns the margins of a panel in the left column.
fn margins(look: &Look, top: f64, bottom: f64) -> Margins {
    Margins { top: look.px(top), right: look.px(MARGIN), bottom: look.px(bottom), left: look.px(8.0) }
}

/// Draws the upper panel: the peaks of the song over time and frequency, on top of the peaks of the input.
fn peak_panel(area: &Area<'_>, look: &Look, view: &View<'_>, aligned: &Aligned) -> Result<()> {
    let margins = margins(look, CAPTION_ROOM + SONG_ROOM, 0.0);
    let x = Axis::time(view.detail.clone(), "time in the input", area.dim_in_pixel().0 as i32, look);
    let y = frequency::axis();
    let mut chart = chart(area, look, margins, &x, &y)?;
    grid(&mut chart, look, &x, &y, true)?;
    let plot = chart.plotting_area();
    let (across, down) = plot.get_pixel_range();
    let ghosts = within(view.input, &view.detail);
    let pixels = (across.len() * down.len()) as f64 / look.area();
    let below = fitting(ghosts, Density::Query.rank_limit(), pixels / ROOM_FOR_GHOST);
    for peak in ghosts.iter().filter(|peak| peak.rank < below) {
        plot.draw(&Circle::new(place(peak), look.pen(GHOST_DOT), GHOST.filled()))?;
    }
    let heights = y.range;
    let shown =
        |peak: &&Expected| view.detail.contains(&peak.seconds) && heights.contains(&warp_hertz(peak.hertz));
    let shown: Vec<&Expected> = aligned.expected.iter().filter(shown).collect();
    let room = pixels / shown.len().max(1) as f64;
    let radius = look.pen(DOT * (room / ROOM_FOR_DOT).sqrt().clamp(GHOST_DOT / DOT, 1.0));
    for peak in shown {
        let style = if peak.found { FOUND.filled() } else { MISSING.stroke_width(look.pen(1.4)) };
        plot.draw(&Circle::new((peak.seconds, warp_hertz(peak.hertz)), radius, style))?;
    }
    song_axis(area, look, view, &chart, &x)?;
    legend(area, look, across.start - area.get_base_pixel().0)
}

/// Draws the axis of the time in the song, above the panel.
fn song_axis(
    area: &Area<'_>,
    look: &Look,
    view: &View<'_>,
    chart: &Chart<'_, '_>,
    below: &Axis,
) -> Result<()> {
    let line = &view.line;
    let (from, to) = (line.in_song(below.range.start), line.in_song(below.range.end));
    let (across, down) = chart.plotting_area().get_pixel_range();
    let (left, top) = area.get_base_pixel();
    let song = Axis::time(from..to, "time in the song", area.dim_in_pixel().0 as i32, look);
    let top = down.start - top;
    let title = song.title().to_owned();
    let room = look.width(&title, CAPTION) + look.px(12.0);
    for (at, label) in song.ticks() {
        let part = below.part(line.in_input(*at));
        let x = across.start - left + (part * f64::from(across.end - across.start)).round() as i32;
        let tick = PathElement::new(vec![(x, top - look.px(6.0)), (x, top)], INK.stroke_width(look.pen(1.0)));
        area.draw(&tick)?;
        // The title is at the right end of the line of numbers and must not overlap them.
        if x + look.width(label, CAPTION) / 2 < across.end - left - room {
            let style = look.text(CAPTION, INK, HPos::Center, VPos::Bottom);
            area.draw(&Text::new(label.clone(), (x, top - look.px(8.0)), style))?;
        }
    }
    let style = look.text(CAPTION, INK, HPos::Right, VPos::Bottom);
    area.draw(&Text::new(title, (across.end - left, top - look.px(8.0)), style))?;
    Ok(())
}

/// Draws the legend of the upper panel.
fn legend(area: &Area<'_>, look: &Look, left: i32) -> Result<()> {
    let mut x = left;
    let middle = look.px(CAPTION_TOP) + look.px(CAPTION / 2.0);
    let kinds: [(&str, RGBColor, bool, f64); 3] = [
        ("the song's peak, found", FOUND, true, DOT),
        ("the song's peak, missing", MISSING, false, DOT),
        ("other peak of the input", GHOST, true, GHOST_DOT),
    ];
    for (text, colour, filled, radius) in kinds {
        let style = if filled { colour.filled() } else { colour.stroke_width(look.pen(1.4)) };
        area.draw(&Circle::new((x + look.px(6.0), middle), look.pen(radius), style))?;
        x += look.px(18.0);
        let room = area.dim_in_pixel().0 as i32 - x;
        look.write(area, text, (CAPTION, FAINT, HPos::Left), (x, look.px(CAPTION_TOP)), room)?;
        x += look.width(text, CAPTION) + look.px(28.0);
    }
    Ok(())
}

/// Draws the lower panel: the delays of the peaks of the input relative to those of the song, over the whole match.
fn time_panel(area: &Area<'_>, look: &Look, view: &View<'_>, aligned: &Aligned) -> Result<()> {
    let whole = view.line.from..view.line.to;
    let margins = margins(look, CAPTION_ROOM, 8.0);
    let x = Axis::time(whole.clone(), "time in the input", area.dim_in_pixel().0 as i32, look);
    let y = histogram::late_axis(REACH);
    let mut chart = chart(area, look, margins, &x, &y)?;
    let cropped = view.detail.start > whole.start || view.detail.end < whole.end;
    let plot = chart.plotting_area().clone();
    if cropped {
        let shade = [(view.detail.start.max(whole.start), -REACH), (view.detail.end.min(whole.end), REACH)];
        plot.draw(&Rectangle::new(shade, GHOST.mix(0.25).filled()))?;
    }
    let band = [(whole.start, -TOLERANCE), (whole.end, TOLERANCE)];
    plot.draw(&Rectangle::new(band, BAND.mix(0.22).filled()))?;
    grid(&mut chart, look, &x, &y, true)?;
    for near in aligned.near.iter().step_by(aligned.near.len().div_ceil(MOST_NEAR).max(1)) {
        let colour = if near.late.abs() <= TOLERANCE { FOUND.mix(0.8) } else { GHOST.mix(0.9) };
        plot.draw(&Circle::new((near.seconds, near.late), look.pen(GHOST_DOT), colour.filled()))?;
    }
    let mut text = format!(
        "peaks of the input near peaks of the song; those within {TOLERANCE:.0} ms (blue) count as found"
    );
    if cropped {
        text.push_str("; the grey part is shown above");
    }
    let left = plot.get_pixel_range().0.start - area.get_base_pixel().0;
    caption(area, look, left, &text)
}

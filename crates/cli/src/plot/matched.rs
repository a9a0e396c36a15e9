//! The picture of a match. It shows the expected peaks of the song, which of them were found in the input, and their
//! delays.

use std::ops::Range;

use anyhow::Result;
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor};
use refrain_core::fingerprint::{Density, Peak, warp_hertz};

use super::aligned::{Aligned, AlignmentLine, ExpectedPeak, TOLERANCE_MS};
use super::draw::{
    Area, Axis, BAND, Chart, FAINT, FOUND, GHOST, INK, MISSING, Margins, PictureTheme, chart, grid,
};
use super::frequency;
use super::histogram;
use super::peaks::{coordinates, fitting_rank_limit, within};

/// Title: height of its text and distance from the top of the picture. This and all other lengths are in pixels at the
/// natural size of a picture (1600 × 900).
const TITLE: (f64, f64) = (26.0, 16.0);
/// Line of values below the title: height of its text and distance from the top of the picture, in pixels at the
/// natural size.
const FACTS: (f64, f64) = (17.0, 53.0);
/// Height of the heading, which consists of the title and the line of values, in pixels at the natural size.
const HEADING: f64 = 82.0;
/// Distance of the contents from the edges of the picture, in pixels at the natural size.
const MARGIN: f64 = 24.0;
/// Height of the text of a caption above a panel, in pixels at the natural size.
const CAPTION: f64 = 16.0;
/// Distance of a caption from the top of its panel, in pixels at the natural size.
const CAPTION_TOP: f64 = 8.0;
/// Height that is reserved for a caption, in pixels at the natural size.
const CAPTION_SPACE: f64 = 34.0;
/// Height that is reserved above the upper panel for the axis with times in the song, in pixels at the natural size.
const SONG_AXIS_SPACE: f64 = 34.0;
/// Width of the column of histograms at the right, in pixels at the natural size.
const COLUMN: f64 = 250.0;
/// Fraction of the height below the heading that the upper panel takes.
const UPPER_FRACTION: f64 = 0.62;
/// Radius of the dots of the peaks of the song, in pixels at the natural size.
const DOT: f64 = 3.6;
/// Radius of the dots of the peaks of the input, in pixels at the natural size.
const GHOST_DOT: f64 = 1.8;
/// Area of the panel per expected peak, in pixels, below which the dots of expected peaks are drawn smaller. A dot has
/// about 40 pixels, so with this area the dots cover a tenth of the panel. With 200, dots overlap before they become
/// smaller; with 800, they are small without need.
const MIN_DOT_AREA: f64 = 400.0;
/// Minimum area of the panel per peak of the input, in pixels. If there are more peaks, those with a high rank are not
/// drawn, because they would hide the peaks of the song. With 75, the panel of a dense query would be grey; with 300,
/// fewer of the peaks that the matcher used would be drawn.
const MIN_GHOST_AREA: f64 = 150.0;
/// Maximum delay in milliseconds that the lower panel shows. It is larger than the tolerance, so that chance hits are
/// visible around the line of a match. With 75 ms, they would be hard to see; with 300 ms, the panel would have twice
/// as many dots without more information.
const MAX_DELAY_MS: f64 = 150.0;
/// Maximum number of dots in the lower panel. If there are more, only every n-th dot is drawn. A panel of about 1,300
/// pixels cannot show more. With twice as many, the picture of a match of an hour would take longer and look the same.
const MAX_NEAR_DOTS: usize = 20_000;

/// The values that the picture of a match shows.
#[derive(Debug)]
pub(super) struct MatchView<'a> {
    pub(super) title: &'a str,
    /// The values of the match as one line of text.
    pub(super) facts: &'a str,
    pub(super) line: AlignmentLine,
    /// All peaks of the song, in order of time.
    pub(super) song: &'a [Peak],
    /// All peaks of the input, in order of time.
    pub(super) input: &'a [Peak],
    /// The time range that the upper panel shows, in seconds of the input.
    pub(super) detail: Range<f64>,
}

/// Draws the picture of a match.
pub(super) fn draw(area: &Area<'_>, theme: &PictureTheme, view: &MatchView<'_>) -> Result<()> {
    let (width, height) = (area.dim_in_pixel().0 as i32, area.dim_in_pixel().1 as i32);
    let (margin, all) = (theme.px(MARGIN), area.dim_in_pixel().0 as i32 - 2 * theme.px(MARGIN));
    theme.write(area, view.title, (TITLE.0, INK, HPos::Left), (margin, theme.px(TITLE.1)), all)?;
    theme.write(area, view.facts, (FACTS.0, FAINT, HPos::Left), (margin, theme.px(FACTS.1)), all)?;
    let aligned = Aligned::new(view.song, view.input, &view.line, MAX_DELAY_MS);
    let (_, body) = area.split_vertically(theme.px(HEADING));
    let upper = (f64::from(height - theme.px(HEADING)) * UPPER_FRACTION) as i32;
    let (upper, lower) = body.split_vertically(upper);
    let split = width - theme.px(COLUMN) - margin;
    let ((peaks, bands), (times, offsets)) =
        (upper.split_horizontally(split), lower.split_horizontally(split));
    peak_panel(&peaks, theme, view, &aligned)?;
    time_panel(&times, theme, view, &aligned)?;
    let top = theme.px(CAPTION_SPACE + SONG_AXIS_SPACE);
    let margins = Margins { top, right: margin, bottom: 0, left: 0 };
    histogram::bands(&bands, theme, margins, &aligned)?;
    caption(&bands, theme, 0, "found by frequency, whole match")?;
    let margins = Margins { top: theme.px(CAPTION_SPACE), right: margin, bottom: theme.px(8.0), left: 0 };
    histogram::offsets(&offsets, theme, margins, &aligned, MAX_DELAY_MS)?;
    caption(&offsets, theme, 0, "peaks by delay")
}

fn caption(area: &Area<'_>, theme: &PictureTheme, left: i32, text: &str) -> Result<()> {
    let space = area.dim_in_pixel().0 as i32 - left;
    theme.write(area, text, (CAPTION, FAINT, HPos::Left), (left, theme.px(CAPTION_TOP)), space)
}

/// Returns the margins of a panel in the left column. `top` and `bottom` are at the natural size.
fn margins(theme: &PictureTheme, top: f64, bottom: f64) -> Margins {
    Margins { top: theme.px(top), right: theme.px(MARGIN), bottom: theme.px(bottom), left: theme.px(8.0) }
}

/// Draws the upper panel: the expected peaks of the song by time and frequency, over the peaks of the input.
fn peak_panel(area: &Area<'_>, theme: &PictureTheme, view: &MatchView<'_>, aligned: &Aligned) -> Result<()> {
    let margins = margins(theme, CAPTION_SPACE + SONG_AXIS_SPACE, 0.0);
    let x = Axis::time(view.detail.clone(), "time in the input", area.dim_in_pixel().0 as i32, theme);
    let y = frequency::axis();
    let mut chart = chart(area, theme, margins, &x, &y)?;
    grid(&mut chart, theme, &x, &y, true)?;
    let plot = chart.plotting_area();
    let (across, down) = plot.get_pixel_range();
    let ghosts = within(view.input, &view.detail);
    let pixels = (across.len() * down.len()) as f64 / theme.area();
    // Only whole ranks are left out, so the drawn peaks are those of a fingerprint with a lower density.
    let below = fitting_rank_limit(ghosts, Density::Query.rank_limit(), pixels / MIN_GHOST_AREA);
    for peak in ghosts.iter().filter(|peak| peak.rank < below) {
        plot.draw(&Circle::new(coordinates(peak), theme.pen(GHOST_DOT), GHOST.filled()))?;
    }
    let heights = y.range;
    let shown = |peak: &&ExpectedPeak| {
        view.detail.contains(&peak.seconds) && heights.contains(&warp_hertz(peak.hertz))
    };
    let shown: Vec<&ExpectedPeak> = aligned.expected.iter().filter(shown).collect();
    let space = pixels / shown.len().max(1) as f64;
    // The area of a dot shrinks in proportion to the space per peak, but dots stay at least as large as those of the
    // input.
    let radius = theme.pen(DOT * (space / MIN_DOT_AREA).sqrt().clamp(GHOST_DOT / DOT, 1.0));
    for peak in shown {
        let style = if peak.found { FOUND.filled() } else { MISSING.stroke_width(theme.pen(1.4)) };
        plot.draw(&Circle::new((peak.seconds, warp_hertz(peak.hertz)), radius, style))?;
    }
    song_axis(area, theme, view, &chart, &x)?;
    legend(area, theme, across.start - area.get_base_pixel().0)
}

/// Draws the axis with the times in the song above the upper panel.
fn song_axis(
    area: &Area<'_>,
    theme: &PictureTheme,
    view: &MatchView<'_>,
    chart: &Chart<'_, '_>,
    below: &Axis,
) -> Result<()> {
    let line = &view.line;
    let (from, to) = (line.in_song(below.range.start), line.in_song(below.range.end));
    let (across, down) = chart.plotting_area().get_pixel_range();
    let (left, top) = area.get_base_pixel();
    let song = Axis::time(from..to, "time in the song", area.dim_in_pixel().0 as i32, theme);
    let top = down.start - top;
    let title = song.title().to_owned();
    let space = theme.width(&title, CAPTION) + theme.px(12.0);
    for (at, label) in song.ticks() {
        let part = below.part(line.in_input(*at));
        let x = across.start - left + (part * f64::from(across.end - across.start)).round() as i32;
        let tick =
            PathElement::new(vec![(x, top - theme.px(6.0)), (x, top)], INK.stroke_width(theme.pen(1.0)));
        area.draw(&tick)?;
        // The title is at the right end of the axis. Labels that would overlap it are left out.
        if x + theme.width(label, CAPTION) / 2 < across.end - left - space {
            let style = theme.text(CAPTION, INK, HPos::Center, VPos::Bottom);
            area.draw(&Text::new(label.clone(), (x, top - theme.px(8.0)), style))?;
        }
    }
    let style = theme.text(CAPTION, INK, HPos::Right, VPos::Bottom);
    area.draw(&Text::new(title, (across.end - left, top - theme.px(8.0)), style))?;
    Ok(())
}

/// Draws the legend of the upper panel, which explains its dots.
fn legend(area: &Area<'_>, theme: &PictureTheme, left: i32) -> Result<()> {
    let mut x = left;
    let middle = theme.px(CAPTION_TOP) + theme.px(CAPTION / 2.0);
    let kinds: [(&str, RGBColor, bool, f64); 3] = [
        ("the song's peak, found", FOUND, true, DOT),
        ("the song's peak, missing", MISSING, false, DOT),
        ("other peak of the input", GHOST, true, GHOST_DOT),
    ];
    for (text, color, filled, radius) in kinds {
        let style = if filled { color.filled() } else { color.stroke_width(theme.pen(1.4)) };
        area.draw(&Circle::new((x + theme.px(6.0), middle), theme.pen(radius), style))?;
        x += theme.px(18.0);
        let space = area.dim_in_pixel().0 as i32 - x;
        theme.write(area, text, (CAPTION, FAINT, HPos::Left), (x, theme.px(CAPTION_TOP)), space)?;
        x += theme.width(text, CAPTION) + theme.px(28.0);
    }
    Ok(())
}

/// Draws the lower panel: the delays of the peaks of the input relative to the expected peaks, during the whole match.
fn time_panel(area: &Area<'_>, theme: &PictureTheme, view: &MatchView<'_>, aligned: &Aligned) -> Result<()> {
    let whole = view.line.from..view.line.to;
    let margins = margins(theme, CAPTION_SPACE, 8.0);
    let x = Axis::time(whole.clone(), "time in the input", area.dim_in_pixel().0 as i32, theme);
    let y = histogram::late_axis(MAX_DELAY_MS);
    let mut chart = chart(area, theme, margins, &x, &y)?;
    let cropped = view.detail.start > whole.start || view.detail.end < whole.end;
    let plot = chart.plotting_area().clone();
    if cropped {
        let shade = [
            (view.detail.start.max(whole.start), -MAX_DELAY_MS),
            (view.detail.end.min(whole.end), MAX_DELAY_MS),
        ];
        plot.draw(&Rectangle::new(shade, GHOST.mix(0.25).filled()))?;
    }
    let band = [(whole.start, -TOLERANCE_MS), (whole.end, TOLERANCE_MS)];
    plot.draw(&Rectangle::new(band, BAND.mix(0.22).filled()))?;
    grid(&mut chart, theme, &x, &y, true)?;
    // Dots are drawn at regular intervals, so that all parts of the match are visible. `step_by` does not accept 0.
    for near in aligned.near.iter().step_by(aligned.near.len().div_ceil(MAX_NEAR_DOTS).max(1)) {
        let color = if near.late_ms.abs() <= TOLERANCE_MS { FOUND.mix(0.8) } else { GHOST.mix(0.9) };
        plot.draw(&Circle::new((near.seconds, near.late_ms), theme.pen(GHOST_DOT), color.filled()))?;
    }
    let mut text = format!(
        "peaks of the input near peaks of the song; those within {TOLERANCE_MS:.0} ms (blue) count as found"
    );
    if cropped {
        text.push_str("; the grey part is shown above");
    }
    let left = plot.get_pixel_range().0.start - area.get_base_pixel().0;
    caption(area, theme, left, &text)
}

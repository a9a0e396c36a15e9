//! Axes with ticks at round values.

use std::ops::Range;

use anyhow::Result;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, TRANSPARENT};

use super::{Area, Backend, EDGE, INK, PictureTheme};
use crate::output::clock;

/// An area of the picture with two axes, in which values of the axes are drawn.
pub(in crate::plot) type Chart<'a, 'b> = ChartContext<'a, Backend<'b>, Cartesian2d<Axis, Axis>>;

/// Possible distances between two ticks of a time axis, in seconds. They are round values in seconds, minutes or hours.
/// The first one that leaves enough space for the labels is used.
const TIME_STEPS: [f64; 17] =
    [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0];
/// Minimum distance between two ticks of a time axis, in pixels at the natural size of a picture (1600 × 900). A label
/// of the form `h:mm:ss` needs this space. With half of it, such labels overlap; with twice as much, the axis has only
/// half as many ticks.
const MIN_TICK_DISTANCE: f64 = 80.0;
/// Maximum end of a time axis, in seconds, for labels in seconds. Labels of longer axes have the form `m:ss`, because
/// numbers such as 754 are hard to compare with the times that `identify` prints.
const MAX_PLAIN_SECONDS: f64 = 180.0;

/// Maximum number of ticks of an axis of counts, not counting the tick at 0. The histograms are 250 pixels wide, which
/// is enough for three numbers of four digits.
const MAX_COUNT_TICKS: f64 = 3.0;
/// Ratio of the end of an axis of counts to the highest count. The margin keeps the longest bar away from the edge.
const COUNT_MARGIN: f64 = 1.08;

/// Height of the numbers of an axis, in pixels at the natural size, like all lengths below.
const NUMBER_HEIGHT: f64 = 16.0;
/// Height of the text of the title of an axis, in pixels at the natural size.
const TITLE_HEIGHT: f64 = 17.0;
/// Length of a tick, in pixels at the natural size.
const TICK_LENGTH: f64 = 5.0;
/// Height that is reserved for the numbers and the title of the horizontal axis, in pixels at the natural size.
const X_LABEL_HEIGHT: f64 = 52.0;
/// Width that is reserved for the numbers and the title of the vertical axis, in pixels at the natural size.
const Y_LABEL_WIDTH: f64 = 78.0;

/// The range of values of an axis, its labelled ticks and its title.
#[derive(Debug, Clone)]
pub(in crate::plot) struct Axis {
    pub(in crate::plot) range: Range<f64>,
    ticks: Vec<(f64, String)>,
    title: String,
}

impl Axis {
    /// Creates an axis with these ticks, given as pairs of value and label. Ticks outside of the range are left out.
    pub(in crate::plot) fn new(range: Range<f64>, ticks: Vec<(f64, String)>, title: &str) -> Self {
        let ticks = ticks.into_iter().filter(|(at, _)| *at >= range.start && *at <= range.end).collect();
        Self { range, ticks, title: title.to_owned() }
    }

    /// Creates an axis for times in seconds, which is `pixels` pixels long in the picture.
    pub(in crate::plot) fn time(range: Range<f64>, title: &str, pixels: i32, theme: &PictureTheme) -> Self {
        // There is space for at least two ticks. Otherwise, the axis would show no scale.
        let max_count = (f64::from(pixels) / f64::from(theme.px(MIN_TICK_DISTANCE))).max(2.0);
        let fits = |step: &&f64| (range.end - range.start) / **step <= max_count;
        let longest = TIME_STEPS[TIME_STEPS.len() - 1];
        let step = TIME_STEPS
            .iter()
            .find(fits)
            // For inputs of many hours, the distance is a multiple of the longest step.
            .map_or_else(|| longest * ((range.end - range.start) / longest / max_count).ceil(), |step| *step);
        let (first, last) = ((range.start / step).ceil() as i64, (range.end / step).floor() as i64);
        let seconds = range.end <= MAX_PLAIN_SECONDS;
        let ticks = (first..=last).map(|k| k as f64 * step).map(|at| (at, time_label(at, step, seconds)));
        let title = format!("{title} ({})", if seconds { "s" } else { "m:ss" });
        Self::new(range.clone(), ticks.collect(), &title)
    }

    /// Creates an axis of counts, from 0 to 8 % more than `max_count`.
    pub(in crate::plot) fn count(max_count: usize, title: &str) -> Self {
        let max_count = max_count.max(1) as f64;
        // Counts are whole numbers, so the step is at least 1.
        let power = 10f64.powf((max_count / MAX_COUNT_TICKS).log10().floor()).max(1.0);
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|k| k * power)
            .into_iter()
            .find(|step| max_count / step <= MAX_COUNT_TICKS);
        let step = step.unwrap_or(max_count);
        let ticks = (0..).map(|k| f64::from(k) * step).take_while(|at| *at <= max_count);
        let ticks = ticks.map(|at| (at, format!("{at:.0}"))).collect();
        Self::new(0.0..max_count * COUNT_MARGIN, ticks, title)
    }

    /// Returns this axis without labels and title, for a chart next to another chart that shows them.
    pub(in crate::plot) fn without_labels(&self) -> Self {
        let ticks = self.ticks.iter().map(|(at, _)| (*at, String::new())).collect();
        Self { range: self.range.clone(), ticks, title: String::new() }
    }

    /// Returns the title of the axis, which contains the unit.
    pub(in crate::plot) fn title(&self) -> &str {
        &self.title
    }

    /// Returns the ticks as pairs of value and label.
    pub(in crate::plot) fn ticks(&self) -> &[(f64, String)] {
        &self.ticks
    }

    /// Returns the position of a value relative to the axis: 0 at its start, 1 at its end.
    pub(in crate::plot) fn part(&self, value: f64) -> f64 {
        (value - self.range.start) / (self.range.end - self.range.start)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        start + (self.part(*value) * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // plotters also requests light lines between the ticks, which these axes do not have.
        let light = hint.weight().allow_light_points();
        self.ticks.iter().filter(|_| !light).map(|(at, _)| *at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|(at, _)| at == value).map_or_else(String::new, |(_, label)| label.clone())
    }
}

/// Returns the label of a tick of a time axis at `at` seconds. The label has as many decimals as the distance `step`
/// between two ticks needs. It is in seconds if `seconds` is true, otherwise in the form `m:ss` or `h:mm:ss`.
fn time_label(at: f64, step: f64, seconds: bool) -> String {
    let decimals = if step < 0.1 { 2 } else { usize::from(step < 1.0) };
    if seconds {
        return format!("{at:.decimals$}");
    }
    let clock = clock(at);
    if decimals == 0 { clock.split('.').next().unwrap_or(&clock).to_owned() } else { clock }
}

/// Margins around a chart in pixels, in addition to the space for the labels of its axes.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::plot) struct Margins {
    pub(in crate::plot) top: i32,
    pub(in crate::plot) right: i32,
    pub(in crate::plot) bottom: i32,
    pub(in crate::plot) left: i32,
}

/// Creates a chart with these margins in an area.
pub(in crate::plot) fn chart<'a, 'b>(
    area: &'a Area<'b>,
    theme: &PictureTheme,
    margins: Margins,
    x: &Axis,
    y: &Axis,
) -> Result<Chart<'a, 'b>> {
    let space = |axis: &Axis, space| if axis.title.is_empty() { 0 } else { theme.px(space) };
    Ok(ChartBuilder::on(area)
        .margin_top(margins.top)
        .margin_right(margins.right)
        .margin_bottom(margins.bottom)
        .margin_left(margins.left)
        .x_label_area_size(space(x, X_LABEL_HEIGHT))
        .y_label_area_size(space(y, Y_LABEL_WIDTH))
        .build_cartesian_2d(x.clone(), y.clone())?)
}

/// Draws both axes. If `lines` is true, also draws grid lines at their ticks.
pub(in crate::plot) fn grid(
    chart: &mut Chart<'_, '_>,
    theme: &PictureTheme,
    x: &Axis,
    y: &Axis,
    lines: bool,
) -> Result<()> {
    let mut mesh = chart.configure_mesh();
    if !lines {
        mesh.disable_mesh();
    }
    mesh.light_line_style(TRANSPARENT)
        .bold_line_style(EDGE.stroke_width(theme.pen(1.0)))
        .axis_style(INK.stroke_width(theme.pen(1.0)))
        .label_style(theme.text(NUMBER_HEIGHT, INK, HPos::Center, VPos::Center))
        .axis_desc_style(theme.text(TITLE_HEIGHT, INK, HPos::Center, VPos::Center))
        .set_all_tick_mark_size(theme.px(TICK_LENGTH))
        .x_desc(x.title.as_str())
        .y_desc(y.title.as_str())
        .draw()?;
    Ok(())
}

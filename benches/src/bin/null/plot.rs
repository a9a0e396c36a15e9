//! Plot of claimed and measured rates.

use std::path::Path;

use plotters::prelude::*;
use refrain_benches::music::BenchError;

/// Size of the picture in pixels.
const SIZE: (u32, u32) = (820, 560);
/// Lowest rate in the plot.
const MIN_RATE: f64 = 1e-5;
/// Factor by which a measured rate may exceed the claimed one.
const ALLOWED_FACTOR: f64 = 3.0;
const COLORS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];

/// Kind of a query, and the claimed rates at which the query matched.
pub(crate) struct QueryOutcome {
    pub(crate) kind: &'static str,
    /// For each claimed rate, in the order of `rates` of [`draw`], true if the query matched.
    pub(crate) matched: Vec<bool>,
}

/// Returns the name of the group in the plot to which queries of `kind` belong.
fn group(kind: &str) -> &'static str {
    match kind {
        "chatter" | "white noise" | "pink noise" => "speech and noise alone",
        "same key and tempo as an indexed song" => "composed, same key and tempo",
        _ if kind.starts_with("recorded") => "recorded, same composers and samples",
        _ => "composed, as they are and distorted",
    }
}

/// Plots the shares of queries that match at each claimed rate: of each group, and of all queries with bars
/// of 95 % confidence.
pub(crate) fn draw(file: &Path, rates: &[f64], results: &[QueryOutcome]) -> Result<(), BenchError> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(46)
        .y_label_area_size(70)
        .caption("Unknown queries that match: claimed and measured", ("sans-serif", 20))
        .build_cartesian_2d((MIN_RATE..2.0f64).log_scale(), (MIN_RATE..2.0f64).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("accepted probability of chance (claimed)")
        .y_desc("share of the queries that match (measured)")
        .x_label_formatter(&|x| format!("{x:.0e}"))
        .y_label_formatter(&|y| format!("{y:.0e}"))
        .light_line_style(WHITE.mix(0.0))
        .draw()?;
    let claims = [(MIN_RATE, "claimed = measured", 1.0), (MIN_RATE, "three times the claim", ALLOWED_FACTOR)];
    for (from, label, factor) in claims {
        let style = BLACK.mix(if factor == 1.0 { 0.8 } else { 0.35 }).stroke_width(1);
        let line = [(from, from * factor), (2.0 / factor, 2.0)];
        chart
            .draw_series([PathElement::new(line, style)])?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
    }
    let mut groups: Vec<&str> = results.iter().map(|one| group(one.kind)).collect();
    groups.sort_unstable();
    groups.dedup();
    for (name, color) in groups.iter().zip(COLORS) {
        let members: Vec<&QueryOutcome> = results.iter().filter(|one| group(one.kind) == *name).collect();
        let style = color.stroke_width(2);
        let points = points(rates, &members);
        chart
            .draw_series([PathElement::new(points.clone(), style)])?
            .label(format!("{name} ({})", members.len()))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
        chart.draw_series(points.into_iter().map(|point| Circle::new(point, 3, color.filled())))?;
    }
    let all: Vec<&QueryOutcome> = results.iter().collect();
    let style = BLACK.stroke_width(3);
    chart
        .draw_series([PathElement::new(points(rates, &all), style)])?
        .label(format!("all ({})", all.len()))
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
    chart.draw_series(rates.iter().enumerate().filter(|(_, rate)| **rate >= MIN_RATE).map(|(i, rate)| {
        let (low, high) = bounds(count(&all, i), all.len());
        PathElement::new([(*rate, low.max(MIN_RATE)), (*rate, high.max(MIN_RATE))], BLACK.stroke_width(1))
    }))?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 14))
        .draw()?;
    root.present()?;
    Ok(())
}

/// Returns pairs of a claimed rate and the measured share of `results` that matched, for rates of at least [`MIN_RATE`]
/// at which a query matched.
fn points(rates: &[f64], results: &[&QueryOutcome]) -> Vec<(f64, f64)> {
    let share = |i: usize| count(results, i) as f64 / results.len().max(1) as f64;
    let all = rates.iter().enumerate().map(|(i, rate)| (*rate, share(i)));
    all.filter(|(rate, share)| *rate >= MIN_RATE && *share > 0.0).collect()
}

fn count(results: &[&QueryOutcome], rate: usize) -> usize {
    results.iter().filter(|one| one.matched[rate]).count()
}

/// Returns the lower and upper 95 % confidence bounds of the share `count` / `of`, from quantiles of the χ²
/// distribution by Wilson and Hilferty (1931).
fn bounds(count: usize, of: usize) -> (f64, f64) {
    const QUANTILE: f64 = 1.96;
    let half_chi = |degrees: f64, z: f64| {
        let spread = 2.0 / (9.0 * degrees);
        0.5 * degrees * (1.0 - spread + z * spread.sqrt()).powi(3)
    };
    let (n, of) = (count as f64, of.max(1) as f64);
    let low = if count == 0 { 0.0 } else { half_chi(2.0 * n, -QUANTILE) };
    (low / of, half_chi(2.0 * n + 2.0, QUANTILE) / of)
}

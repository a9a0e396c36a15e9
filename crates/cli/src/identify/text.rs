//! The text table of `identify`.

use std::collections::HashMap;

use refrain_catalog::{Track, TrackNumber};
use refrain_core::matching::Match;

use super::{DisplayOptions, Identification, explain};
use crate::output::{Align, OutputStyle, Table, clean, clock, confidence};

const COLUMNS: [(&str, Align); 6] = [
    ("song", Align::Left),
    ("artist", Align::Left),
    ("from", Align::Right),
    ("to", Align::Right),
    ("in song", Align::Right),
    ("confidence", Align::Right),
];

/// Returns the text that is printed for one input: a heading with its name and duration, then its matches in order of
/// time. There is no heading if `heading` is `None`, for a single input.
pub(crate) fn block(
    heading: Option<&str>,
    result: &Identification,
    tracks: &HashMap<TrackNumber, Track>,
    options: DisplayOptions,
    style: OutputStyle,
) -> String {
    let indent = if heading.is_some() { "  " } else { "" };
    let mut lines = Vec::new();
    if let Some(name) = heading {
        lines.push(format!("{}  {}", style.bold(&clean(name)), style.dim(&clock(result.seconds))));
    }
    let rows = rows(result, options);
    // With `--all`, rejected candidates are listed below this line.
    if rows.is_empty() || result.matches.found.is_empty() {
        lines.push(format!("{indent}no match"));
    }
    if !rows.is_empty() {
        // Styles are applied to whole lines only, because escape codes in a cell would count toward the width of its
        // column.
        let table = table(&rows, tracks).lines();
        lines.push(format!("{indent}{}", style.dim(&table[0])));
        lines.extend(table[1..].iter().map(|line| format!("{indent}{line}")));
    }
    if options.explain && result.matches.found.is_empty() {
        let reasons = explain::reasons(result, tracks, options);
        lines.extend(reasons.iter().map(|reason| format!("{indent}why: {}", clean(reason))));
    }
    // The last, empty element gives the text a line end.
    lines.push(String::new());
    lines.join("\n")
}

/// Kind of a row in the table of matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowKind {
    Match,
    Alternative,
    Rejected,
}

/// Returns the rows of the table: the matches in order of time, each followed by its alternatives. With `--all`, the
/// rejected candidates follow at the end.
fn rows(result: &Identification, options: DisplayOptions) -> Vec<(RowKind, &Match)> {
    let mut rows = Vec::new();
    for (index, found) in result.matches.found.iter().enumerate() {
        rows.push((RowKind::Match, found));
        rows.extend(result.matches.alternatives_of(index).map(|other| (RowKind::Alternative, &other.best)));
    }
    rows.extend(result.matches.rejected.iter().filter(|_| options.all).map(|r| (RowKind::Rejected, &r.best)));
    rows
}

fn table(rows: &[(RowKind, &Match)], tracks: &HashMap<TrackNumber, Track>) -> Table {
    let mut table = Table::new(&COLUMNS);
    for (kind, found) in rows {
        let track = tracks.get(&found.track);
        let song = track.map_or_else(|| "(removed)".to_owned(), explain::song);
        let confidence_text = confidence(found.false_positive_probability);
        table.row([
            song,
            track.and_then(|track| track.metadata.artist.clone()).unwrap_or_default(),
            clock(found.query_start),
            clock(found.query_end),
            clock(found.reference_start),
            mark(*kind, confidence_text),
        ]);
    }
    table
}

fn mark(kind: RowKind, confidence_text: String) -> String {
    match kind {
        RowKind::Match => confidence_text,
        RowKind::Alternative => format!("{confidence_text} (same sound)"),
        RowKind::Rejected => format!("{confidence_text} (rejected)"),
    }
}

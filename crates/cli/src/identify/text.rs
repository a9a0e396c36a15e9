//! The text table of `identify`.

use std::collections::HashMap;

use refrain_catalog::{Track, TrackNumber};
use refrain_core::matching::Match;

use super::{Answer, Show, explain};
use crate::output::{Align, Style, Table, clean, clock, confidence};

const COLUMNS: [(&str, Align); 6] = [
    ("song", Align::Left),
    ("artist", Align::Left),
    ("from", Align::Right),
    ("to", Align::Right),
    ("in song", Align::Right),
    ("confidence", Align::Right),
];

/// Returns the text for one input: its name and duration if there are several inputs, then its songs in order of time.
pub(crate) fn block(
    heading: Option<&str>,
    answer: &Answer,
    tracks: &HashMap<TrackNumber, Track>,
    show: Show,
    style: Style,
) -> String {
    let indent = if heading.is_some() { "  " } else { "" };
    let mut lines = Vec::new();
    if let Some(name) = heading {
        lines.push(format!("{}  {}", style.bold(&clean(name)), style.dim(&clock(answer.seconds))));
    }
    let rows = rows(answer, show);
    if rows.is_empty() || answer.matches.found.is_empty() {
        lines.push(format!("{indent}no match"));
    }
    if !rows.is_empty() {
        let table = table(&rows, tracks).lines();
        lines.push(format!("{indent}{}", style.dim(&table[0])));
        lines.extend(table[1..].iter().map(|line| format!("{indent}{line}")));
    }
    if show.explain && answer.matches.found.is_empty() {
        let reasons = explain::reasons(answer, tracks, show);
        lines.extend(reasons.iter().map(|reason| format!("{indent}why: {}", clean(reason))));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Kind of a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Match,
    Alternative,
    Rejected,
}

/// Returns the matches in order of time, each followed by its alternatives, and then, with `--all`, the rejected candidates.
fn rows(answer: &Answer, show: Show) -> Vec<(Kind, &Match)> {
    let mut rows = Vec::new();
    for (index, found) in answer.matches.found.iter().enumerate() {
        rows.push((Kind::Match, found));
        rows.extend(answer.matches.alternatives_of(index).map(|other| (Kind::Alternative, &other.best)));
    }
    rows.extend(answer.matches.rejected.iter().filter(|_| show.all).map(|r| (Kind::Rejected, &r.best)));
    rows
}

fn table(rows: &[(Kind, &Match)], tracks: &HashMap<TrackNumber, Track>) -> Table {
    let mut table = Table::new(&COLUMNS);
    for (kind, found) in rows {
        let track = tracks.get(&found.track);
        let song = track.map_or_else(|| "(removed)".to_owned(), explain::song);
        let sure = confidence(found.false_positive_probability);
        table.row([
            song,
            track.and_then(|track| track.metadata.artist.clone()).unwrap_or_default(),
            clock(found.query_start),
            clock(found.query_end),
            clock(found.reference_start),
            mark(*kind, sure),
        ]);
    }
    table
}

fn mark(kind: Kind, sure: String) -> String {
    match kind {
        Kind::Match => sure,
        Kind::Alternative => format!("{sure} (same sound)"),
        Kind::Rejected => format!("{sure} (rejected)"),
    }
}

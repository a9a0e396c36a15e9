//! The table for people.

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

/// What is printed for one input: its name where there are several, then its songs in order of time.
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
        let table = table(&rows, tracks, show).lines();
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

/// Matches, and with `--all` rejected candidates, in order of time.
fn rows(answer: &Answer, show: Show) -> Vec<(bool, &Match)> {
    let found = answer.matches.found.iter().map(|found| (true, found));
    let rejected = answer.matches.rejected.iter().filter(|_| show.all).map(|r| (false, &r.best));
    let mut rows: Vec<_> = found.chain(rejected).collect();
    rows.sort_by(|a, b| a.1.query_start.total_cmp(&b.1.query_start));
    rows
}

fn table(rows: &[(bool, &Match)], tracks: &HashMap<TrackNumber, Track>, show: Show) -> Table {
    let mut table = Table::new(&COLUMNS);
    for (accepted, found) in rows {
        let track = tracks.get(&found.track);
        let song = track.map_or_else(|| "(removed meanwhile)".to_owned(), explain::song);
        let sure = confidence(found.false_positive_probability);
        table.row([
            song,
            track.and_then(|track| track.metadata.artist.clone()).unwrap_or_default(),
            clock(found.query_start),
            clock(found.query_end),
            clock(found.reference_start),
            mark(*accepted, sure, found.false_positive_probability <= show.false_positive_rate),
        ]);
    }
    table
}

/// A candidate that is not chance was left out because a better match explains the same sound.
fn mark(accepted: bool, sure: String, not_chance: bool) -> String {
    match (accepted, not_chance) {
        (true, _) => sure,
        (false, true) => format!("{sure} (same sound)"),
        (false, false) => format!("{sure} (rejected)"),
    }
}

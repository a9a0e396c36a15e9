//! Tables of the demo that compare the songs that were played with the songs that were found.

use std::collections::HashMap;

use refrain_catalog::{Track, TrackNumber};
use refrain_core::matching::Match;

use super::scene::{Played, Scene};
use crate::identify::{Identification, song};
use crate::output::{Align, Output, OutputError, Table, clock, confidence};

/// Maximum error of a correct position in a song, in seconds. Tests of `identify` allow errors of 0.05 s, so 0.5 s
/// accepts every true match, even of a clip that is 1 % too fast. It rejects a match with a repetition of the same bar,
/// which is more than a second away.
const MAX_POSITION_ERROR_SECONDS: f64 = 0.5;

/// Maximum error of a correct start or end of a song in the mix, in seconds. It is longer than the cross-fades of 3 s,
/// in which the quieter song is hard to detect. With half of it, an edge inside a cross-fade would count as wrong. With
/// twice its length, an edge in the middle of a neighbouring song would count as correct.
const MAX_EDGE_ERROR_SECONDS: f64 = 3.5;

const CLIP_COLUMNS: [(&str, Align); 6] = [
    ("clip", Align::Left),
    ("played", Align::Left),
    ("at", Align::Right),
    ("found", Align::Left),
    ("at", Align::Right),
    ("confidence", Align::Right),
];

const MIX_COLUMNS: [(&str, Align); 8] = [
    ("played", Align::Left),
    ("from", Align::Right),
    ("to", Align::Right),
    ("found", Align::Left),
    ("from", Align::Right),
    ("to", Align::Right),
    ("in song", Align::Right),
    ("confidence", Align::Right),
];

/// The tables of the demo, and the numbers of correct results and of all results.
#[derive(Debug)]
pub(super) struct DemoReport {
    clips: Table,
    mix: Table,
    correct: usize,
    all: usize,
}

impl Default for DemoReport {
    fn default() -> Self {
        Self { clips: Table::new(&CLIP_COLUMNS), mix: Table::new(&MIX_COLUMNS), correct: 0, all: 0 }
    }
}

type Tracks = HashMap<TrackNumber, Track>;

impl DemoReport {
    /// Adds the result for a clip to the table of clips. Returns true if the clip contains a song of the catalog, and
    /// that song was found at the right position.
    pub(super) fn clip(&mut self, scene: &Scene, result: &Identification, tracks: &Tracks) -> bool {
        let best = result.best();
        let correct = match (scene.played.first(), best) {
            (Some(played), Some(best)) => is_match(played, best, tracks),
            // For the clip of the unknown song, no match is the correct result.
            (None, None) => true,
            _ => false,
        };
        let played = scene.played.first();
        self.clips.row([
            scene.how.to_owned(),
            played.map_or_else(|| "(unknown song)".to_owned(), |played| played.title.clone()),
            played.map(|played| clock(played.in_song)).unwrap_or_default(),
            best.map_or_else(|| "no match".to_owned(), |best| title(best, tracks)),
            // A match can start later than the clip, so the position at the start of the clip is computed.
            best.map(|best| clock(best.reference_start - best.query_start * best.speed)).unwrap_or_default(),
            mark(best, correct),
        ]);
        self.count(correct);
        correct && best.is_some()
    }

    /// Adds the results for the mix to the table of the mix: one row for each played song and for each wrong match.
    pub(super) fn mix(&mut self, scene: &Scene, result: &Identification, tracks: &Tracks) {
        let mut found: Vec<&Match> = result.matches.found.iter().collect();
        for played in &scene.played {
            let end = played.start + played.seconds;
            // A match is used for one row only, because one song is played twice in the mix.
            let place = found.iter().position(|found| {
                is_match(played, found, tracks)
                    && (found.query_start - played.start).abs() <= MAX_EDGE_ERROR_SECONDS
                    && (found.query_end - end).abs() <= MAX_EDGE_ERROR_SECONDS
            });
            let found = place.map(|place| found.remove(place));
            let mut row = [played.title.clone(), clock(played.start), clock(end), "not found".to_owned()]
                .into_iter()
                .chain(std::iter::repeat_n(String::new(), 4))
                .collect::<Vec<_>>();
            if let Some(found) = found {
                fill(&mut row[3..], found, tracks, true);
            }
            self.mix.row(row);
            self.count(found.is_some());
        }
        // The remaining matches were reported, but their songs were not played at that time.
        for extra in found {
            let mut row = vec![String::new(); MIX_COLUMNS.len()];
            fill(&mut row[3..], extra, tracks, false);
            self.mix.row(row);
            self.count(false);
        }
    }

    /// Counts one result, as correct or as wrong.
    pub(super) fn count(&mut self, correct: bool) {
        self.all += 1;
        self.correct += usize::from(correct);
    }

    pub(super) fn print_clips(&self, output: &Output) -> Result<(), OutputError> {
        print(&self.clips, output)
    }

    pub(super) fn print_mix(&self, output: &Output) -> Result<(), OutputError> {
        print(&self.mix, output)
    }

    pub(super) fn all_correct(&self) -> bool {
        self.correct == self.all
    }

    /// Returns the summary as one line.
    pub(super) fn verdict(&self) -> String {
        format!("{} of {} found as played", self.correct, self.all)
    }
}

fn print(table: &Table, output: &Output) -> Result<(), OutputError> {
    let lines = table.lines();
    output.line(&output.style().dim(&lines[0]))?;
    lines[1..].iter().try_for_each(|line| output.line(line))
}

fn fill(cells: &mut [String], found: &Match, tracks: &Tracks, correct: bool) {
    let values = [
        title(found, tracks),
        clock(found.query_start),
        clock(found.query_end),
        clock(found.reference_start),
        mark(Some(found), correct),
    ];
    cells.iter_mut().zip(values).for_each(|(cell, value)| *cell = value);
}

/// Returns true if a match has the title of the song that was played and the right position in that song.
fn is_match(played: &Played, found: &Match, tracks: &Tracks) -> bool {
    // If the match starts later than the song, the expected position is later too, in proportion to the speed.
    let expected = played.in_song + (found.query_start - played.start) * played.speed;
    title(found, tracks) == played.title
        && (found.reference_start - expected).abs() <= MAX_POSITION_ERROR_SECONDS
}

fn title(found: &Match, tracks: &Tracks) -> String {
    tracks.get(&found.track).map(song).unwrap_or_default()
}

fn mark(found: Option<&Match>, correct: bool) -> String {
    let sure = found.map(|found| confidence(found.false_positive_probability)).unwrap_or_default();
    if correct { sure } else { format!("{sure} WRONG").trim_start().to_owned() }
}

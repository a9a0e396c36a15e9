//! What was found in a sound, and the response that it becomes.

use std::collections::HashMap;

use refrain_catalog::{Track, TrackNumber};
use refrain_core::matching::{Alternative, Match, Matches};

use super::Sound;
use super::damage::damage;
use crate::response::{Response, ResponseMatch};

/// What was found in one input.
#[derive(Debug)]
pub struct Answer {
    /// Length of the input, seconds.
    pub seconds: f64,
    /// Greatest absolute sample; full scale is 1.
    pub peak: f32,
    /// What could not be read of it, for a person.
    pub damage: Option<String>,
    /// What was found.
    pub matches: Matches,
}

impl Answer {
    /// What was found in this sound.
    #[must_use]
    pub fn new(sound: &Sound, matches: Matches) -> Self {
        Self {
            seconds: sound.constellation.seconds,
            peak: sound.peak,
            damage: damage(&sound.report),
            matches,
        }
    }

    /// Numbers of the tracks that its response names, each once.
    #[must_use]
    pub fn tracks(&self) -> Vec<TrackNumber> {
        let others = self.matches.alternatives.iter().map(|other| &other.best);
        let mut numbers: Vec<_> = self.matches.found.iter().chain(others).map(|found| found.track).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// The match that most peaks speak for.
    #[must_use]
    pub fn best(&self) -> Option<&Match> {
        self.matches.found.iter().max_by_key(|found| found.matched_peaks)
    }

    /// The response: the matches in order of time, each followed by its alternatives. What is found of tracks that are not
    /// given is left out.
    #[must_use]
    pub fn response<'a>(&self, asset_id: &'a str, tracks: &'a HashMap<TrackNumber, Track>) -> Response<'a> {
        let mut matches = Vec::new();
        for (index, found) in self.matches.found.iter().enumerate() {
            matches.extend(tracks.get(&found.track).map(|track| ResponseMatch::new(found, track)));
            let others = self.matches.alternatives_of(index);
            matches.extend(others.filter_map(|other| alternative(other, tracks)));
        }
        Response::new(asset_id, matches).lasting(self.seconds)
    }
}

fn alternative<'a>(
    other: &Alternative,
    tracks: &'a HashMap<TrackNumber, Track>,
) -> Option<ResponseMatch<'a>> {
    let found = ResponseMatch::new(&other.best, tracks.get(&other.best.track)?);
    Some(found.alternative_of(tracks.get(&other.of)?))
}

/// What a track is called: by its title, else by its file.
#[must_use]
pub fn song_name(track: &Track) -> &str {
    let file = || track.source.rsplit(['/', '\\']).next().unwrap_or(&track.source);
    let stem = || file().rsplit_once('.').map_or(file(), |(stem, _)| stem);
    track.metadata.title.as_deref().unwrap_or_else(stem)
}

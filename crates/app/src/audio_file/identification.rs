//! The result of identifying one input, and its response.

use std::collections::HashMap;

use refrain_catalog::{Track, TrackNumber};
use refrain_core::matching::{Alternative, Match, Matches};

use super::Fingerprinted;
use super::damage::damage;
use crate::response::{Response, ResponseMatch};

/// The matches that were found in one input, with its length, level and damage.
#[derive(Debug)]
pub struct Identification {
    /// Length of the input in seconds.
    pub seconds: f64,
    /// Maximum absolute sample value; full scale is 1.
    pub peak: f32,
    /// Description of the parts of the input that could not be read; `None` if all could.
    pub damage: Option<String>,
    /// The matches, their alternatives and the rejected candidates.
    pub matches: Matches,
}

impl Identification {
    /// Creates the result for a decoded input and its matches.
    #[must_use]
    pub fn new(sound: &Fingerprinted, matches: Matches) -> Self {
        Self {
            seconds: sound.constellation.seconds,
            peak: sound.peak,
            damage: damage(&sound.report),
            matches,
        }
    }

    /// Returns the numbers of the tracks of all matches and alternatives, in ascending order, each once.
    #[must_use]
    pub fn tracks(&self) -> Vec<TrackNumber> {
        // The response contains the metadata of alternatives too, so their tracks are included.
        let others = self.matches.alternatives.iter().map(|other| &other.best);
        let mut numbers: Vec<_> = self.matches.found.iter().chain(others).map(|found| found.track).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Returns the match with the most matched peaks, or `None` if nothing matched.
    #[must_use]
    pub fn best(&self) -> Option<&Match> {
        // By evidence and not by length, because the AWS sample reports one song per file. A long weak match is less
        // certain than a short strong one.
        self.matches.found.iter().max_by_key(|found| found.matched_peaks)
    }

    /// Returns the response: the matches in order of time, each followed by its alternatives. Matches and alternatives
    /// of tracks that are not in `tracks` are left out.
    #[must_use]
    pub fn response<'a>(&self, asset_id: &'a str, tracks: &'a HashMap<TrackNumber, Track>) -> Response<'a> {
        let mut matches = Vec::new();
        for (index, found) in self.matches.found.iter().enumerate() {
            matches.extend(tracks.get(&found.track).map(|track| ResponseMatch::new(found, track)));
            // Alternatives follow their match, so that a program that reads only the first match gets the best
            // explanation.
            let others = self.matches.alternatives_of(index);
            matches.extend(others.filter_map(|other| alternative(other, tracks)));
        }
        Response::new(asset_id, matches).with_duration(self.seconds)
    }
}

fn alternative<'a>(
    other: &Alternative,
    tracks: &'a HashMap<TrackNumber, Track>,
) -> Option<ResponseMatch<'a>> {
    let found = ResponseMatch::new(&other.best, tracks.get(&other.best.track)?);
    Some(found.alternative_of(tracks.get(&other.of)?))
}

/// Returns the name of a track: its title, or, if it has no title, its file name without the extension.
#[must_use]
pub fn song_name(track: &Track) -> &str {
    let file = || track.source.rsplit(['/', '\\']).next().unwrap_or(&track.source);
    let stem = || file().rsplit_once('.').map_or(file(), |(stem, _)| stem);
    // A name is needed in every result. Catalogs that were indexed without tags have only file names.
    track.metadata.title.as_deref().unwrap_or_else(stem)
}

//! The alignments that were verified in a window.

use super::super::copies::{copy_agreement, may_be_copies, shared_peaks};
use super::super::line::PeakOutcome;
use super::super::query::Window;
use super::super::verify::Alignment;
use crate::index::TrackNumber;

/// Maximum factor by which the number of candidates is raised to compensate for copies. If a recording has more copies,
/// fewer other recordings are among the candidates. At half this value, this begins with 17 copies; at twice this
/// value, a lookup can return twice as many candidates.
const MAX_COPY_FACTOR: usize = 32;

/// The verified alignments of a window. Each line of a track is contained once.
#[derive(Debug)]
pub(super) struct Alignments {
    all: Vec<Alignment>,
    /// For each alignment, the set of the query's peaks that it explains: one bit per peak, counted from the first peak
    /// of the window.
    explained: Vec<Vec<u64>>,
    /// Places of recordings at which the alignments are, each once.
    places: Vec<RecordingPlace>,
    /// Largest number of tracks at one place, at least 1. To find as many places as in a catalog without copies, up to
    /// this many times as many candidates are needed.
    copies: usize,
    outcomes: Vec<PeakOutcome>,
}

/// A place of a recording: all alignments at one place play the same audio, possibly from several tracks.
#[derive(Debug)]
struct RecordingPlace {
    /// Index of the first alignment at this place. Other alignments are compared only with this one, so that the cost
    /// grows with the number of places and not with the square of the number of copies.
    first: usize,
    /// Tracks with an alignment at this place.
    tracks: Vec<TrackNumber>,
}

impl Default for Alignments {
    fn default() -> Self {
        Self { all: Vec::new(), explained: Vec::new(), places: Vec::new(), copies: 1, outcomes: Vec::new() }
    }
}

impl Alignments {
    /// Adds an alignment, or replaces a worse one along the same line. Returns true if the alignment is at a known
    /// place, in a copy of a track that has already been added.
    pub(super) fn add(&mut self, new: Alignment, window: &Window<'_>) -> bool {
        let explained = explained(&new, window.first_peak());
        if let Some(i) = self.all.iter().position(|old| old.is_same_line(&new, window)) {
            // A later pass may fit the same line better. The place keeps its index, so `places` stays valid.
            if new.quick_log_p < self.all[i].quick_log_p {
                (self.all[i], self.explained[i]) = (new, explained);
            }
            return false;
        }
        let place = self.place_of(&new, &explained);
        let track = new.reference.number;
        match place.and_then(|place| self.places.get_mut(place)) {
            Some(place) => {
                if !place.tracks.contains(&track) {
                    place.tracks.push(track);
                }
                self.copies = self.copies.max(place.tracks.len());
            }
            None => self.places.push(RecordingPlace { first: self.all.len(), tracks: vec![track] }),
        }
        self.all.push(new);
        self.explained.push(explained);
        place.is_some()
    }

    /// Returns the index in `places` of the place that a new alignment plays, or `None` if `places` does not contain
    /// it. Places that share more explained peaks with the alignment are compared earlier.
    fn place_of(&mut self, new: &Alignment, explained: &[u64]) -> Option<usize> {
        let Self { all, explained: sets, places, outcomes, .. } = self;
        let near =
            places.iter().enumerate().filter(|(_, place)| may_be_copies(&sets[place.first], explained));
        let mut near: Vec<_> =
            near.map(|(i, place)| (shared_peaks(&sets[place.first], explained), i, place.first)).collect();
        // The comparison of two tracks is the expensive step, and the first one nearly always succeeds.
        near.sort_by_key(|(shared, i, _)| (std::cmp::Reverse(*shared), *i));
        let mut is_copy = |first: usize| copy_agreement(&all[first], new, outcomes).is_some();
        near.into_iter().find(|(_, _, first)| is_copy(*first)).map(|(_, i, _)| i)
    }

    /// Returns the alignments in order of rising [`Alignment::quick_log_p`], so best first, each with the set of the
    /// query's peaks that it explains (one bit per peak).
    pub(super) fn best_first(&self) -> Vec<(&Alignment, &[u64])> {
        let mut all: Vec<_> = self.all.iter().zip(self.explained.iter().map(Vec::as_slice)).collect();
        let number = |one: &Alignment| one.reference.number;
        all.sort_by(|(a, _), (b, _)| a.quick_log_p.total_cmp(&b.quick_log_p).then(number(a).cmp(&number(b))));
        all
    }

    /// Returns true if some alignments are copies of others.
    pub(super) fn has_copies(&self) -> bool {
        self.copies > 1
    }

    /// Returns the number of candidates to request in order to find this many places.
    pub(super) fn candidate_count(&self, places: usize) -> usize {
        places * self.copies.min(MAX_COPY_FACTOR)
    }

    /// Returns true if [`Alignment::quick_log_p`] of any alignment is below `quick_log_p`. A lower value means more
    /// evidence.
    pub(super) fn any_below(&self, quick_log_p: f64) -> bool {
        self.all.iter().any(|one| one.quick_log_p < quick_log_p)
    }
}

/// Returns the set of the query's peaks that an alignment explains: one bit per peak, counted from peak `first`.
fn explained(one: &Alignment, first: usize) -> Vec<u64> {
    let mut bits = Vec::new();
    for query in one.outcomes.iter().filter_map(|o| o.query) {
        let Some(place) = (query as usize).checked_sub(first) else { continue };
        if place / 64 >= bits.len() {
            bits.resize(place / 64 + 1, 0);
        }
        bits[place / 64] |= 1 << (place % 64);
    }
    bits
}

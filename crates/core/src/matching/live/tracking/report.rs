//! The match that is reported for an airing.

use crate::fingerprint::TICKS_PER_SECOND;
use crate::matching::Match;
use crate::matching::live::event::Airing;
use crate::matching::live::evidence::EVIDENCE_WEIGHT;
use crate::matching::timeline::aligned_landmarks;

use super::{FITTED_TICKS, TrackedAiring};

impl TrackedAiring {
    /// Returns the natural logarithm of the probability that chance gives as much evidence as the airing has.
    fn log_p(&self) -> f64 {
        // Each end was selected among all peaks on its side.
        let choices = f64::from(self.evidence.expected / 2).max(1.0).ln();
        (self.evidence.log_p() + self.tried + 2.0 * choices).max(self.window_log_p)
    }

    /// Returns the claimed probability that the airing arose by chance.
    fn probability(&self) -> f64 {
        // This is the same factor as in the search, so that reported probabilities and the threshold agree.
        (self.log_p() * EVIDENCE_WEIGHT + self.correction).min(0.0).exp()
    }

    /// Returns the mean speed of the airing, from its start to its end; for an airing of at most 20 s
    /// ([`FITTED_TICKS`]), with a seam, or continued from another matcher, the speed of the fitted line.
    pub(super) fn speed(&self) -> f64 {
        let length = self.to - self.from;
        // With a seam or a start of another matcher, the ends are not on one line.
        let exact = length <= FITTED_TICKS || self.before.is_some() || self.seam.is_some();
        if exact { self.line.speed } else { (self.line.reference(self.to) - self.reference_from) / length }
    }

    /// Returns the numbers of aligned landmarks, expected peaks and matched peaks since the last seam.
    pub(super) fn own_counts(&self) -> [u32; 3] {
        let range = self.first..self.detected.max(self.first);
        let matched = range.clone().filter(|index| self.is_found(*index)).count() as u32;
        let peaks = self.reference.peaks.get(range.clone()).unwrap_or_default();
        let aligned = aligned_landmarks(peaks, |index| self.is_found(self.first + index as usize));
        [aligned, range.len() as u32, matched]
    }

    /// Returns the numbers of aligned landmarks, expected peaks and matched peaks of the whole airing.
    fn counts(&self) -> [u32; 3] {
        let before = self.before.as_ref();
        let before = before.map_or([0; 3], |b| {
            [b.detected.aligned_landmarks, b.detected.expected_peaks, b.detected.matched_peaks]
        });
        let pieces = self.pieces.iter().map(|piece| piece.counts).chain([before]);
        pieces
            .fold(self.own_counts(), |sum, counts| std::array::from_fn(|i| sum[i].saturating_add(counts[i])))
    }

    fn report(&self) -> Match {
        let [aligned_landmarks, expected_peaks, matched_peaks] = self.counts();
        Match {
            track: self.reference.number,
            query_start: self.from / TICKS_PER_SECOND,
            query_end: self.to / TICKS_PER_SECOND,
            reference_start: self.reference_from / TICKS_PER_SECOND,
            speed: self.speed(),
            pitch_cents: 1200.0 * self.line.pitch.log2(),
            false_positive_probability: self.probability(),
            aligned_landmarks,
            expected_peaks,
            matched_peaks,
            segments: self.segments(),
        }
    }

    /// Returns the current state of the airing, with times in seconds.
    pub(in crate::matching::live) fn export(&self) -> Airing {
        Airing {
            id: self.id,
            detected: self.report(),
            reference_end: self.line.reference(self.to) / TICKS_PER_SECOND,
            current_speed: self.line.speed,
        }
    }
}

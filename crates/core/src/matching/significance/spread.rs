//! Spread of the found peaks over time.

/// Length of a moment, in ticks (46 ms). The peaks of one chord or stroke share a moment. At half this value, the peaks
/// of one chord fall into two moments and count as independent evidence; at twice this value, fast notes count as
/// chords, and true matches lose evidence.
const MOMENT_TICKS: u32 = 8;
/// Length of a second, in ticks: one to three beats of music. At half this value, a second has too few peaks to measure
/// a variance; at twice this value, agreement in single bars is averaged out, so unknown music gets more evidence.
const SECOND_TICKS: u32 = 172;

/// Measures how unevenly the found peaks are distributed over moments and seconds. Peaks of a surviving recording are
/// found at all times. Peaks of music that only shares beats or notes are found in whole chords and drum strokes, in
/// some bars but not in others.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spread {
    /// Index of the current moment.
    moment: u32,
    /// Numbers of expected and found peaks in the current moment.
    in_moment: (u32, u32),
    /// Numbers of ordered pairs of expected peaks and of found peaks that share a moment, over all earlier moments.
    pairs: (u32, u32),
    /// Index of the current second.
    second: u32,
    /// Numbers of expected and found peaks in the current second.
    in_second: (u32, u32),
    /// Number of earlier seconds that have expected peaks.
    seconds: u32,
    /// Sum of found² / expected over the earlier seconds.
    squares: f64,
    /// Numbers of expected and found peaks in total.
    all: (u32, u32),
}

impl Spread {
    /// Adds an expected peak of the track at a time (ticks); `found` is true if the query has it. Peaks are added in
    /// order of time.
    pub(super) fn add(&mut self, time: u32, found: bool) {
        if time / MOMENT_TICKS != self.moment {
            self.close_moment();
            self.moment = time / MOMENT_TICKS;
        }
        if time / SECOND_TICKS != self.second {
            self.close_second();
            self.second = time / SECOND_TICKS;
        }
        let count = |(expected, seen): (u32, u32)| (expected + 1, seen + u32::from(found));
        self.in_moment = count(self.in_moment);
        self.in_second = count(self.in_second);
        self.all = count(self.all);
    }

    fn close_moment(&mut self) {
        let pairs = |n: u32| n * n.saturating_sub(1);
        let (expected, found) = std::mem::take(&mut self.in_moment);
        self.pairs = (self.pairs.0 + pairs(expected), self.pairs.1 + pairs(found));
    }

    fn close_second(&mut self) {
        let (expected, found) = std::mem::take(&mut self.in_second);
        if expected > 0 {
            self.seconds += 1;
            self.squares += f64::from(found).powi(2) / f64::from(expected);
        }
    }

    /// Returns the overdispersion: the number of peaks that count as one independent peak, at least 1.
    pub(super) fn dispersion(mut self) -> f64 {
        self.close_moment();
        self.close_second();
        // Both measures react to bursts, so the larger one is used, not their product.
        self.crowding().max(self.bursts())
    }

    /// Returns the number of pairs of found peaks that share a moment, divided by the number for independent peaks, at
    /// least 1. A few pairs are not significant, so `PRIOR` pairs are added to both numbers.
    fn crowding(&self) -> f64 {
        // At half this value, a few chance pairs reduce the evidence of short matches; at twice this value, real
        // crowding in short matches is underrated. Long matches have thousands of pairs, so the value has no effect on
        // them.
        const PRIOR: f64 = 10.0;
        let rate = f64::from(self.all.1) / f64::from(self.all.0.max(1));
        ((f64::from(self.pairs.1) + PRIOR) / (f64::from(self.pairs.0) * rate * rate + PRIOR)).max(1.0)
    }

    /// Returns the variance of the found fraction per second divided by the variance for independent peaks, at least 1.
    /// This is Pearson's χ² divided by its degrees of freedom (McCullagh and Nelder 1989, 4.5), with `PRIOR` degrees
    /// added to both.
    fn bursts(&self) -> f64 {
        // In seconds: a match of 3 s is corrected by half of what its variance shows. At half this value, short matches
        // lose evidence, because their variance is measured inexactly; at twice this value, bursts in short matches
        // count too much.
        const PRIOR: f64 = 3.0;
        let (expected, found) = (f64::from(self.all.0.max(1)), f64::from(self.all.1));
        let rate = found / expected;
        // If all peaks or no peaks are found, the variance of independent peaks is 0 and the quotient is undefined.
        let variance = rate * (1.0 - rate);
        if variance <= 0.0 {
            return 1.0;
        }
        let chi = ((self.squares - rate * found) / variance).max(0.0);
        ((chi + PRIOR) / (f64::from(self.seconds.saturating_sub(1)) + PRIOR)).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(found: impl Fn(u32) -> bool) -> f64 {
        let mut spread = Spread::default();
        (0..300).for_each(|i| spread.add(i * 6, found(i)));
        spread.dispersion()
    }

    #[test]
    fn evenly_found_peaks_are_not_overdispersed() {
        assert!(spread(|i| i % 3 == 0) < 1.05);
        assert!(spread(|_| true) <= 1.0);
        assert!(spread(|_| false) <= 1.0);
    }

    #[test]
    fn peaks_found_in_one_second_of_ten_count_little() {
        assert!(spread(|i| (100..130).contains(&i)) > 10.0);
    }

    #[test]
    fn peaks_found_in_whole_chords_count_little() {
        let mut chords = Spread::default();
        for chord in 0..80 {
            (0..5).for_each(|_| chords.add(chord * 20, chord % 5 == 0));
        }
        assert!(chords.dispersion() > 3.0);
    }
}

//! How evenly the found peaks are spread.

/// Peaks of one moment, ticks: 46 ms …
const MOMENT: u32 = 8;
/// … and of one second.
const SECOND: u32 = 172;

/// How unevenly the found peaks are spread over moments and seconds. A surviving recording is found here and
/// there all the time; music that only shares beats or notes is found in whole chords and drum strokes, in
/// one bar and not in the next.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spread {
    moment: u32,
    /// In this moment: expected, found.
    in_moment: (u32, u32),
    /// Ordered pairs within a moment, of all before.
    pairs: (u32, u32),
    second: u32,
    in_second: (u32, u32),
    /// Seconds before, and the sum of found²/expected over them.
    seconds: u32,
    squares: f64,
    all: (u32, u32),
}

impl Spread {
    /// Adds a peak at a time (ticks), in order.
    pub(super) fn add(&mut self, time: u32, found: bool) {
        if time / MOMENT != self.moment {
            self.close_moment();
            self.moment = time / MOMENT;
        }
        if time / SECOND != self.second {
            self.close_second();
            self.second = time / SECOND;
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

    /// How many peaks count as one: at least 1.
    pub(super) fn dispersion(mut self) -> f64 {
        self.close_moment();
        self.close_second();
        // Both see bursts, so the larger one holds, not both.
        self.crowding().max(self.bursts())
    }

    /// Pairs found within moments over those that independence gives; at least 1. A few pairs prove nothing,
    /// so some are added on both sides.
    fn crowding(&self) -> f64 {
        const PRIOR: f64 = 10.0;
        let rate = f64::from(self.all.1) / f64::from(self.all.0.max(1));
        ((f64::from(self.pairs.1) + PRIOR) / (f64::from(self.pairs.0) * rate * rate + PRIOR)).max(1.0)
    }

    /// Variance of the found parts of the seconds over that of independent peaks: Pearson's χ² over its
    /// degrees of freedom (McCullagh and Nelder 1989, 4.5); at least 1. Some degrees are added on both sides.
    fn bursts(&self) -> f64 {
        const PRIOR: f64 = 3.0;
        let (expected, found) = (f64::from(self.all.0.max(1)), f64::from(self.all.1));
        let rate = found / expected;
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
    fn what_is_found_evenly_is_not_dispersed() {
        assert!(spread(|i| i % 3 == 0) < 1.05);
        assert!(spread(|_| true) <= 1.0);
        assert!(spread(|_| false) <= 1.0);
    }

    #[test]
    fn what_is_found_in_one_second_of_ten_counts_little() {
        assert!(spread(|i| (100..130).contains(&i)) > 10.0);
    }

    #[test]
    fn whole_chords_count_as_few_notes() {
        let mut chords = Spread::default();
        for chord in 0..80 {
            (0..5).for_each(|_| chords.add(chord * 20, chord % 5 == 0));
        }
        assert!(chords.dispersion() > 3.0);
    }
}

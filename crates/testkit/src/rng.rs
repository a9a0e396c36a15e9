//! Random numbers: xoshiro256++ seeded by SplitMix64. This crate implements them itself, so that no update of a
//! dependency can change the songs.

/// A seeded random number generator.
#[derive(Debug, Clone)]
pub(crate) struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// Creates a generator whose numbers depend on every bit of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        // SplitMix64, as the authors of xoshiro recommend: similar seeds give unrelated states.
        let mut x = seed;
        let mut next = || {
            x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = x;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        };
        Self { state: [next(), next(), next(), next()] }
    }

    /// Creates an independent generator for one part of a song. The numbers of this part then do not depend on how many
    /// numbers another part draws.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.next())
    }

    /// Returns 64 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        // xoshiro256++.
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Returns a uniform number in `0..1`.
    pub(crate) fn unit(&mut self) -> f64 {
        // The upper 53 bits: as many as a double can represent exactly.
        (self.next() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Returns a uniform number in `low..high`.
    pub(crate) fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Returns a uniform number in `0..n`; 0 if `n` is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        // The multiplication is faster than a remainder, and its bias is below n / 2^64.
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Returns a uniform number in `low..=high`.
    pub(crate) fn int(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1).max(1) as usize) as i32
    }

    /// Returns true with probability `p`.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Returns a random element of `items`, which must not be empty.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Returns a random index of `weights`; the probability of each index is proportional to its weight.
    pub(crate) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut x = self.unit() * weights.iter().sum::<f64>();
        for (i, w) in weights.iter().enumerate() {
            x -= w;
            if x < 0.0 {
                return i;
            }
        }
        // Rounding can leave a remainder after the last weight.
        weights.len().saturating_sub(1)
    }

    /// Returns an approximately normal number with mean 0 and standard deviation 1, limited to ±3.5 (a sum of four
    /// uniform numbers).
    pub(crate) fn normal(&mut self) -> f64 {
        // The variance of the sum is 4 / 12, so √3 scales it to 1.
        (self.unit() + self.unit() + self.unit() + self.unit() - 2.0) * 1.732
    }
}

/// White noise by xorshift32, which is fast enough to compute every sample of every drum.
#[derive(Debug, Clone)]
pub(crate) struct White(u32);

impl White {
    /// Creates noise with a seed from `rng`.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        // xorshift never leaves 0, so the seed must not be 0.
        Self((rng.next() >> 32) as u32 | 1)
    }

    /// Returns the next sample, uniform within ±1.
    #[inline]
    pub(crate) fn next(&mut self) -> f32 {
        let mut x = self.0;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.0 = x;
        (x as i32) as f32 * (1.0 / 2_147_483_648.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_and_seeds_differ() {
        let mut rng = Rng::new(7);
        let n = 20_000;
        let mean = (0..n).map(|_| rng.unit()).sum::<f64>() / f64::from(n);
        let spread = (0..n).map(|_| rng.normal()).map(|x| x * x).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.01);
        assert!((spread - 1.0).abs() < 0.05);
        let mut counts = [0_u32; 7];
        for _ in 0..7000 {
            counts[rng.below(7)] += 1;
        }
        assert!(counts.iter().all(|&s| (850..1150).contains(&s)), "{counts:?}");
        assert_ne!(Rng::new(1).next(), Rng::new(2).next());
        assert_eq!(rng.int(3, 3), 3);
    }
}

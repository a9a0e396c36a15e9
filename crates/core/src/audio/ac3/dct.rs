//! The discrete cosine transform of type IV, from which the inverse transform of a block is built.

use std::f32::consts::PI;

/// Largest size of a transform.
const MAX_SIZE: usize = 256;

/// A complex number: real part, imaginary part.
type Complex = (f32, f32);

fn product(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn rotation(angle: f32) -> Complex {
    (angle.cos(), angle.sin())
}

/// A transform of a fixed size.
#[derive(Debug)]
pub(super) struct CosineTransform {
    /// Rotations before and after the Fourier transform.
    rotations: Vec<Complex>,
    /// Rotations of the Fourier transform, for half a turn.
    roots: Vec<Complex>,
    /// Position of each input value of the Fourier transform.
    order: Vec<usize>,
}

impl CosineTransform {
    /// Creates a transform of `size` values: a power of two from 4 to [`MAX_SIZE`].
    pub(super) fn new(size: usize) -> Self {
        debug_assert!(size.is_power_of_two() && (4..=MAX_SIZE).contains(&size));
        let half = size / 2;
        let bits = half.trailing_zeros();
        Self {
            rotations: (0..half).map(|n| rotation(-PI * (n as f32 + 0.125) / size as f32)).collect(),
            roots: (0..half / 2).map(|n| rotation(-2.0 * PI * n as f32 / half as f32)).collect(),
            order: (0..half).map(|n| n.reverse_bits() >> (usize::BITS - bits)).collect(),
        }
    }

    /// Replaces `values` by their transform: value `m` becomes the sum over all `j` of value `j` times
    /// `cos(π / size · (m + ½) · (j + ½))`. The number of values must be the size of the transform.
    pub(super) fn apply(&self, values: &mut [f32]) {
        let (size, half) = (values.len(), self.order.len());
        debug_assert_eq!(size, 2 * half);
        // Two real values are one complex input, so a Fourier transform of half the size is enough.
        let mut buffer = [(0.0, 0.0); MAX_SIZE / 2];
        let work = &mut buffer[..half];
        for (n, (&rotation, &place)) in self.rotations.iter().zip(&self.order).enumerate() {
            work[place] = product((values[2 * n], values[size - 1 - 2 * n]), rotation);
        }
        self.fourier(work);
        for (n, (&rotation, &value)) in self.rotations.iter().zip(work.iter()).enumerate() {
            let (real, imaginary) = product(value, rotation);
            values[2 * n] = real;
            values[size - 1 - 2 * n] = -imaginary;
        }
    }

    /// Computes the Fourier transform of values in bit-reversed order.
    fn fourier(&self, values: &mut [Complex]) {
        let mut width = 1;
        while width < values.len() {
            let step = self.roots.len() / width;
            for group in values.chunks_exact_mut(2 * width) {
                let (low, high) = group.split_at_mut(width);
                let roots = self.roots.iter().step_by(step);
                for ((a, b), &root) in low.iter_mut().zip(high).zip(roots) {
                    let turned = product(*b, root);
                    *b = (a.0 - turned.0, a.1 - turned.1);
                    *a = (a.0 + turned.0, a.1 + turned.1);
                }
            }
            width *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_equals_its_definition() {
        for size in [4, 8, 128, 256] {
            let input: Vec<f32> = (0..size).map(|i| (i * i % 17) as f32 - 8.0).collect();
            let mut output = input.clone();
            CosineTransform::new(size).apply(&mut output);
            for (m, &value) in output.iter().enumerate() {
                let angle =
                    |j: usize| std::f64::consts::PI / size as f64 * (m as f64 + 0.5) * (j as f64 + 0.5);
                let expected: f64 =
                    input.iter().enumerate().map(|(j, &x)| f64::from(x) * angle(j).cos()).sum();
                assert!((f64::from(value) - expected).abs() < 0.002, "{size} {m}: {value} {expected}");
            }
        }
    }
}

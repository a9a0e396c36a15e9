//! Running maxima: the maximum of each value of a row and its neighbours.

/// Writes to each element of `out` the maximum of `row` over ±`REACH` neighbours. `REACH` must be 1, 3, 7, 15 or
/// another power of two minus one. The maxima of 2 values, of 4 values and so on are computed first; two overlapping
/// ranges then give the result. `work` is a buffer. All slices must have the same length.
pub(super) fn running_maximum<const REACH: usize>(row: &[f32], work: &mut [f32], out: &mut [f32]) {
    const { assert!((REACH + 1).is_power_of_two()) };
    let n = row.len();
    work.copy_from_slice(row);
    for doubling in 0..(REACH + 1).ilog2() {
        let step = 1 << doubling;
        for i in 0..n - step {
            work[i] = work[i].max(work[i + step]);
        }
    }
    // work[i] now covers i ..= i + REACH.
    out.copy_from_slice(work);
    out[..REACH].iter_mut().for_each(|o| *o = o.max(work[0]));
    raise(&mut out[REACH..], work);
}

/// Replaces each value of `row` by the value of `other` at the same index if the value of `other` is larger. `other`
/// may be longer.
pub(super) fn raise(row: &mut [f32], other: &[f32]) {
    row.iter_mut().zip(other).for_each(|(a, b)| *a = a.max(*b));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_equals_naive<const REACH: usize>(row: &[f32]) {
        let (mut work, mut out) = (vec![9e9; row.len()], vec![9e9; row.len()]);
        running_maximum::<REACH>(row, &mut work, &mut out);
        for (i, found) in out.iter().enumerate() {
            let around = &row[i.saturating_sub(REACH)..(i + REACH + 1).min(row.len())];
            let slow = around.iter().fold(0.0f32, |a, b| a.max(*b));
            assert_eq!(*found, slow, "±{REACH} at {i}");
        }
    }

    #[test]
    fn running_maximum_equals_the_naive_computation() {
        let row: Vec<f32> = (0..468).map(|i| ((i * 7919) % 1009) as f32).collect();
        assert_equals_naive::<1>(&row);
        assert_equals_naive::<3>(&row);
        assert_equals_naive::<15>(&row);
    }
}

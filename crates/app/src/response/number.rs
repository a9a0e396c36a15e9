//! Numbers with a fixed number of decimals in JSON.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A number that is written with exactly `N` decimals, including trailing zeros. NaN and infinity are written as
/// `null`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimals<const N: usize>(pub(super) f64);

impl<const N: usize> Serialize for Decimals<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Without this, -0.0004 would be written as "-0.000".
        let number = if self.0.abs() < 0.5 * 10f64.powi(-(N as i32)) { 0.0 } else { self.0 };
        // JSON cannot represent NaN and infinity.
        let text = if number.is_finite() { format!("{number:.N$}") } else { "null".to_owned() };
        // A raw value keeps the decimals. serde would write a float without trailing zeros.
        RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_decimals() {
        let json = |n| serde_json::to_string(&Decimals::<3>(n)).unwrap();
        assert_eq!(json(20.0), "20.000");
        assert_eq!(json(1_659_370_072.793_1), "1659370072.793");
        assert_eq!(json(-0.0004), "0.000");
        assert_eq!(json(f64::NAN), "null");
    }
}

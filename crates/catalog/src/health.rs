//! Facts about the state of a catalog, for display.

/// The result of one check of a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Name of the check, for example `server version`.
    pub name: &'static str,
    /// Value that the check found, as a text for display.
    pub value: String,
    /// Assessment of the value.
    pub health: HealthLevel,
    /// Remedy, for the user; `None` if the assessment is [`HealthLevel::Fine`].
    pub advice: Option<String>,
}

/// Assessment of a checked value, ordered from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthLevel {
    /// The value is as expected.
    Fine,
    /// The catalog can be used, but with a limitation or a risk, which is shown to the user.
    Warning,
    /// The catalog is damaged or does not work.
    Failing,
}

impl Fact {
    pub(crate) fn fine(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), health: HealthLevel::Fine, advice: None }
    }

    pub(crate) fn warning(name: &'static str, value: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, value: value.into(), health: HealthLevel::Warning, advice: Some(advice.into()) }
    }

    pub(crate) fn failing(name: &'static str, value: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, value: value.into(), health: HealthLevel::Failing, advice: Some(advice.into()) }
    }

    /// Returns the fact about the number of tracks that have not been compared with the earlier tracks yet.
    pub(crate) fn pending_comparisons(count: i64) -> Self {
        let name = "near-duplicates";
        match count {
            0 => Self::fine(name, "every track was compared with the earlier ones"),
            count => Self::warning(
                name,
                format!("{count} tracks were not compared with the earlier ones yet"),
                "the next `refrain index`, or a service with the role index, compares them",
            ),
        }
    }

    /// Returns the fact about the number of live tracks without a constellation. No command produces such tracks.
    pub(crate) fn without_constellation(count: i64) -> Self {
        let name = "constellations";
        match count {
            0 => Self::fine(name, "every track has one"),
            count => Self::failing(
                name,
                format!("{count} tracks have none"),
                "the database was changed by other means; remove these tracks and index them again",
            ),
        }
    }
}

/// Formats a number of bytes with a decimal unit, for display.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    // From 999.95 on, rounding to one decimal place gives 1000.0, which belongs to the next unit.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    // Bytes are whole numbers, so they are shown without a decimal place.
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_with_a_suitable_unit() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_951, "1.0 MB"),
            (2_340_000_000, "2.3 GB"),
            (u64::MAX, "18446744.1 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}

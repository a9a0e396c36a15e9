//! What a catalogue says of its own state.

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What was looked at, for example `server version`.
    pub name: &'static str,
    /// What was found.
    pub value: String,
    /// Whether that is well.
    pub health: Health,
    /// What to do where it is not.
    pub advice: Option<String>,
}

/// How well something is; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// As it should be.
    Fine,
    /// It works, or most of it does.
    Warning,
    /// It does not work.
    Failing,
}

impl Fact {
    pub(crate) fn fine(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), health: Health::Fine, advice: None }
    }

    pub(crate) fn warning(name: &'static str, value: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, value: value.into(), health: Health::Warning, advice: Some(advice.into()) }
    }

    pub(crate) fn failing(name: &'static str, value: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, value: value.into(), health: Health::Failing, advice: Some(advice.into()) }
    }

    /// Tracks that were not compared with the earlier ones.
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

    /// Tracks that lost their constellations, which no command leaves behind.
    pub(crate) fn without_constellation(count: i64) -> Self {
        let name = "constellations";
        match count {
            0 => Self::fine(name, "every track has one"),
            count => Self::failing(
                name,
                format!("{count} tracks have none"),
                "somebody changed the database by other means; remove these tracks and index them again",
            ),
        }
    }
}

/// Bytes as people read them.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    // Half a unit is shown as a tenth already.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_suits_them() {
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

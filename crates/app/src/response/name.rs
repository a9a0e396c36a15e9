//! Names of response files.

use chrono::{DateTime, TimeZone};

/// Maximum length of the asset id in a file name, in bytes. With the time, the number and `.json`, the name stays below
/// the 255 bytes that file systems allow. With half the length, long ids of different streams could be cut to the same
/// name.
const MAX_ID_BYTES: usize = 200;

/// Returns the file name `{assetID}_{YYYY}_{MM}_{DD}T{HH}_{MM}_{SS}{±HHMM}.json` of a response. The time is in the time
/// zone of `when`. If `number` is 2 or more, for further files of the same second, it is appended to the time: `_2`,
/// `_3` and so on. Characters of the id that separate paths or hide files become `_`, so the file is always in the
/// intended folder.
///
/// # Examples
/// ```
/// use chrono::{TimeZone, Utc};
/// use refrain_app::response::file_name;
///
/// let when = Utc.timestamp_opt(1_684_839_475, 0).unwrap();
/// assert_eq!(file_name("channel/1", &when, 1), "channel_1_2023_05_23T10_57_55+0000.json");
/// assert_eq!(file_name("channel/1", &when, 2), "channel_1_2023_05_23T10_57_55+0000_2.json");
/// ```
#[must_use]
pub fn file_name<Z: TimeZone>(asset_id: &str, when: &DateTime<Z>, number: u32) -> String
where
    Z::Offset: std::fmt::Display,
{
    let id = safe_name(asset_id);
    let time = when.format("%Y_%m_%dT%H_%M_%S%z");
    let suffix = if number > 1 { format!("_{number}") } else { String::new() };
    format!("{id}_{time}{suffix}.json")
}

/// Converts an untrusted name to a safe part of a path with 1 to 200 bytes. Characters that separate paths or hide
/// files become `_`.
pub fn safe_name(name: &str) -> String {
    let mut safe: String = name.chars().map(|c| if is_safe(c) { c } else { '_' }).collect();
    if safe.is_empty() || safe.starts_with('.') {
        safe = format!("_{}", safe.trim_start_matches('.'));
    }
    // The name is cut between two characters, because `truncate` panics inside of a character.
    safe.truncate(safe.floor_char_boundary(MAX_ID_BYTES));
    safe
}

/// Returns true if a character is allowed in file names on all systems.
fn is_safe(c: char) -> bool {
    !c.is_control() && !"/\\:*?\"<>|".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;

    #[test]
    fn names_follow_the_guide_and_stay_in_their_folder() {
        let zone = FixedOffset::west_opt(7 * 3600).unwrap();
        let when = zone.with_ymd_and_hms(2023, 5, 23, 10, 57, 55).unwrap();
        let name = |id: &str, number| file_name(id, &when, number);
        let time = "_2023_05_23T10_57_55-0700";
        assert_eq!(name("st-1DcdEmdn2zkjR1GNFGDjF1W", 1), format!("st-1DcdEmdn2zkjR1GNFGDjF1W{time}.json"));
        assert_eq!(name("a", 3), format!("a{time}_3.json"));
        assert_eq!(name("../../etc/passwd", 1), format!("__.._etc_passwd{time}.json"));
        assert_eq!(name("..", 1), format!("_{time}.json"));
        assert_eq!(name("", 1), format!("_{time}.json"));
        assert_eq!(name("arn:aws:ivs/a\\b\0c\n", 1), format!("arn_aws_ivs_a_b_c_{time}.json"));
        assert!(name(&"é".repeat(500), 99).len() < 255);
    }
}

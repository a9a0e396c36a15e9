//! Parsing of EXT-X-PROGRAM-DATE-TIME in the formats that servers use.

use chrono::NaiveDate;

/// Length of a day, seconds.
const DAY_SECONDS: f64 = 86_400.0;

/// Parses an ISO 8601 date and time. Returns seconds since 1970, or `None` if it is malformed.
///
/// The zone may be `Z`, `±HH:MM`, `±HHMM` (ffmpeg) or `±HH`; a time without a zone is in UTC. The fraction may have any
/// number of digits, after a point or a comma. A leap second counts as the second after it, as in Unix time.
pub(crate) fn epoch_seconds(text: &str) -> Option<f64> {
    let text = text.trim().trim_matches('"');
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let at_zone =
        rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.' | ',')).unwrap_or(rest.len());
    let (time, zone) = rest.split_at_checked(at_zone)?;
    // Only the date is parsed by chrono, which rejects several formats of time and zone that servers write.
    let days = NaiveDate::parse_from_str(&date.replace('-', ""), "%Y%m%d").ok()?;
    let days = days.signed_duration_since(NaiveDate::default()).num_days();
    Some(days as f64 * DAY_SECONDS + seconds_of_day(time)? - zone_offset(zone)?)
}

/// Parses `HH:MM:SS` or `HHMMSS`, with or without a fraction, to seconds. Returns `None` if the time is invalid.
fn seconds_of_day(time: &str) -> Option<f64> {
    let (whole, fraction) = time.split_once(['.', ',']).unwrap_or((time, ""));
    let [hours, minutes, seconds] = pairs(&whole.replace(':', ""))?;
    if hours > 24 || minutes > 59 || seconds > 60 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: f64 = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().ok()? };
    Some(f64::from(hours) * 3600.0 + f64::from(minutes) * 60.0 + f64::from(seconds) + fraction)
}

/// Parses a time zone. Returns its offset in seconds, which is positive if the zone is ahead of UTC, or `None` if it is
/// invalid.
fn zone_offset(zone: &str) -> Option<f64> {
    let zone = zone.trim();
    if zone.is_empty() || zone.eq_ignore_ascii_case("z") || zone.eq_ignore_ascii_case("utc") {
        return Some(0.0);
    }
    let sign = match zone.chars().next()? {
        '+' => 1.0,
        '-' => -1.0,
        _ => return None,
    };
    let digits = zone.get(1..)?.replace(':', "");
    let [hours, minutes] = if digits.len() == 2 { [pairs::<1>(&digits)?[0], 0] } else { pairs(&digits)? };
    (hours < 24 && minutes < 60).then_some(sign * (f64::from(hours) * 3600.0 + f64::from(minutes) * 60.0))
}

/// Parses exactly `N` numbers of two digits. Returns `None` for other text.
fn pairs<const N: usize>(digits: &str) -> Option<[u32; N]> {
    if digits.len() != 2 * N || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut numbers = [0; N];
    for (number, pair) in numbers.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *number = pair.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_formats_of_a_date_are_equal() {
        for text in [
            "2023-05-23T10:57:55.250Z",
            "2023-05-23T10:57:55.250+00:00",
            "2023-05-23T10:57:55.250+0000",
            "2023-05-23T10:57:55,25",
            "2023-05-23t10:57:55.250000000z",
            "2023-05-23 10:57:55.250",
            "2023-05-23T03:57:55.250-0700",
            "2023-05-23T12:57:55.250+02",
            "20230523T105755.250Z",
            "\"2023-05-23T16:27:55.250+05:30\"",
        ] {
            assert_eq!(epoch_seconds(text), Some(1_684_839_475.25), "{text}");
        }
    }

    #[test]
    fn a_leap_second_equals_the_next_second() {
        assert_eq!(epoch_seconds("2016-12-31T23:59:60Z"), epoch_seconds("2017-01-01T00:00:00Z"));
    }

    #[test]
    fn text_that_is_not_a_date_is_rejected() {
        for text in [
            "",
            "T",
            "2023-05-23",
            "2023-13-01T00:00:00Z",
            "2023-05-23T10:61:00Z",
            "2023-05-23T10:00:00+1",
            "x",
        ] {
            assert_eq!(epoch_seconds(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_millisecond_is_parsed(ms in 0_i64..4_102_444_800_000) {
            let date = chrono::DateTime::from_timestamp_millis(ms).unwrap();
            let text = date.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string();
            let read = epoch_seconds(&text).unwrap();
            prop_assert!((read - ms as f64 / 1000.0).abs() < 1e-5);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = epoch_seconds(&text);
        }
    }
}

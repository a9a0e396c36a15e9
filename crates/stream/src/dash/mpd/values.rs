//! Values of attributes: durations, dates and byte ranges.

use crate::hls::playlist::{ByteRange, epoch_seconds};

/// Longest duration, seconds: a century. Longer ones are shortened: some servers write a thousand years for "without
/// end". At half or twice this value, nothing changes.
const MAX_SECONDS: f64 = 100.0 * 365.0 * 86_400.0;

/// Parses a duration of XML Schema (`P1DT2H3M4.5S`) to seconds. A year has 365 days, and a month has 30. Returns `None`
/// if it is malformed or negative.
pub(super) fn duration(text: &str) -> Option<f64> {
    let (date, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text.strip_prefix('P')?, None),
    };
    if date.is_empty() && time.is_none_or(str::is_empty) {
        return None;
    }
    let day = 86_400.0;
    let days = sum(date, &[('Y', 365.0 * day), ('M', 30.0 * day), ('W', 7.0 * day), ('D', day)])?;
    let seconds = sum(time.unwrap_or_default(), &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])?;
    Some((days + seconds).min(MAX_SECONDS))
}

/// Returns the sum of numbers that units follow, in the order of `units`.
fn sum(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut total = 0.0;
    for (unit, seconds) in units {
        if let Some((number, rest)) = text.split_once(*unit) {
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
                return None;
            }
            total += number.parse::<f64>().ok()? * seconds;
            text = rest;
        }
    }
    text.is_empty().then_some(total)
}

/// Parses a date of XML Schema to seconds since 1970. Returns `None` if it is malformed or before 1970.
pub(super) fn date(text: &str) -> Option<f64> {
    epoch_seconds(text).filter(|date| *date >= 0.0 && date.is_finite())
}

/// Parses a byte range (`first-last`, both included).
pub(super) fn byte_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.split_once('-')?;
    let (offset, last) = (first.trim().parse::<u64>().ok()?, last.trim().parse::<u64>().ok()?);
    let length = last.checked_sub(offset)?.checked_add(1)?;
    Some(ByteRange { offset, length })
}

/// Parses the seconds of an `availabilityTimeOffset`; `INF` is infinite. Returns `None` if it is malformed or negative.
pub(super) fn time_offset(text: &str) -> Option<f64> {
    let seconds = if text == "INF" { f64::INFINITY } else { text.parse().ok()? };
    (seconds >= 0.0).then_some(seconds)
}

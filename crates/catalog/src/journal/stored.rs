//! Limits of the values that every database can store and calculate with.

use std::borrow::Cow;
use std::time::Duration;

/// Limit of times on both sides of the epoch, in milliseconds: 285,000 years. Even twice this value is far below the
/// overflow of database integers.
const MAX_TIME_MS: i64 = 1 << 53;

/// Maximum number of bytes of an indexed name: PostgreSQL indexes accept no more than 2,700 bytes per entry. At half
/// this value, an S3 key of 1,024 bytes with its bucket and version does not fit; at twice this value, the server
/// rejects the row.
const MAX_NAME_BYTES: usize = 2000;

/// Returns the reason why a text cannot be an indexed name, or `None` if it can. `what` is the kind of name in the
/// reason, for example `sink`.
pub(crate) fn name_fault(what: &str, name: &str) -> Option<String> {
    // The replacement of a NUL has three bytes, so the stored text is measured, not the given one.
    let length = text(name).len();
    match length {
        0 => Some(format!("the {what} name is empty")),
        1..=MAX_NAME_BYTES => None,
        _ => Some(format!("the {what} name has {length} bytes; the maximum is {MAX_NAME_BYTES}")),
    }
}

/// Replaces each NUL by the replacement character U+FFFD, because not every database can store NUL.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Clamps a time to the supported range.
pub(crate) fn clamp_time(milliseconds: i64) -> i64 {
    milliseconds.clamp(-MAX_TIME_MS, MAX_TIME_MS)
}

/// Returns the whole milliseconds of a duration, clamped to the supported range.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    // `Duration::MAX` is a valid argument (a lease without an end) and exceeds an i64.
    i64::try_from(duration.as_millis()).map_or(MAX_TIME_MS, clamp_time)
}

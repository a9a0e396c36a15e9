//! Limits of the values that every database can store and calculate with.

use std::borrow::Cow;
use std::time::Duration;

/// Limit of times on both sides of the epoch, in milliseconds: 285,000 years. Even twice this value is far below the
/// overflow of database integers.
const FURTHEST: i64 = 1 << 53;

/// Maximum number of bytes of an indexed name: PostgreSQL indexes accept no more than 2,700 bytes per entry.
const LONGEST_NAME: usize = 2000;

/// Returns the reason why a text cannot be an indexed name, or `None` if it can.
pub(crate) fn name_fault(what: &str, name: &str) -> Option<String> {
    let length = text(name).len();
    match length {
        0 => Some(format!("the {what} name is empty")),
        1..=LONGEST_NAME => None,
        _ => Some(format!("the {what} name has {length} bytes; the maximum is {LONGEST_NAME}")),
    }
}

/// Replaces each NUL by the replacement character U+FFFD, because not every database can store NUL.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Clamps a time to the supported range.
pub(crate) fn moment(milliseconds: i64) -> i64 {
    milliseconds.clamp(-FURTHEST, FURTHEST)
}

/// Returns the whole milliseconds of a duration, clamped to the supported range.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).map_or(FURTHEST, moment)
}

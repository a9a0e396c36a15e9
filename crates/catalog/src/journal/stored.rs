//! What every database can hold and reckon with.

use std::borrow::Cow;
use std::time::Duration;

/// Milliseconds to both sides of the epoch, a quarter of a million years: twice as much is still far from where
/// databases overflow.
const FURTHEST: i64 = 1 << 53;

/// Bytes of a name that is looked up: indexes of PostgreSQL take no more than 2,700 in all.
const LONGEST_NAME: usize = 2000;

/// What keeps a text from being a name that is looked up, if anything.
pub(crate) fn name_fault(what: &str, name: &str) -> Option<String> {
    let length = text(name).len();
    match length {
        0 => Some(format!("a {what} whose name is empty")),
        1..=LONGEST_NAME => None,
        _ => Some(format!("a {what} whose name has {length} bytes; {LONGEST_NAME} are the most")),
    }
}

/// NUL, which some have no place for, becomes the replacement character.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// The nearest time that can be reckoned with.
pub(crate) fn moment(milliseconds: i64) -> i64 {
    milliseconds.clamp(-FURTHEST, FURTHEST)
}

/// Whole milliseconds of a duration.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).map_or(FURTHEST, moment)
}

//! Values of the tags that m3u8-rs keeps as text.

use m3u8_rs::ExtTag;

use super::rewrite::INF;

/// Largest accepted duration of a segment, seconds. Recordings have segments of minutes at most. The limit bounds gaps
/// that are computed from untrusted durations. At half this value, nothing changes for known servers; at twice this
/// value, one wrong duration moves the positions by up to two hours.
pub(super) const MAX_SEGMENT_SECONDS: f64 = 3600.0;

/// Returns the value of the last tag with this name: empty if the tag has no value, `None` if there is no such tag.
pub(super) fn value<'a>(tags: &'a [ExtTag], name: &str) -> Option<&'a str> {
    let tag = tags.iter().rev().find(|tag| tag.tag == name)?;
    Some(tag.rest.as_deref().unwrap_or_default())
}

/// Returns the duration in seconds and the title of EXTINF. The duration is `None` if it is missing or invalid; a
/// missing title is empty.
pub(super) fn inf(tags: &[ExtTag]) -> (Option<f64>, &str) {
    let text = value(tags, INF).unwrap_or_default();
    let (seconds, title) = text.split_once(',').unwrap_or((text, ""));
    let seconds = seconds.trim().parse::<f64>().ok();
    (seconds.filter(|seconds| (0.0..=MAX_SEGMENT_SECONDS).contains(seconds)), title.trim())
}

//! Values of the tags that m3u8-rs keeps as text.

use m3u8_rs::ExtTag;

use super::rewrite::INF;

/// Returns the value of the last tag with this name: empty if the tag has no value, `None` if there is no such tag.
pub(super) fn value<'a>(tags: &'a [ExtTag], name: &str) -> Option<&'a str> {
    let tag = tags.iter().rev().find(|tag| tag.tag == name)?;
    Some(tag.rest.as_deref().unwrap_or_default())
}

/// Returns the duration in seconds and the title of EXTINF. The duration is `None` if it is missing, negative or not
/// finite; it can be absurdly long. A missing title is empty.
pub(super) fn inf(tags: &[ExtTag]) -> (Option<f64>, &str) {
    let text = value(tags, INF).unwrap_or_default();
    let (seconds, title) = text.split_once(',').unwrap_or((text, ""));
    let seconds = seconds.trim().parse::<f64>().ok();
    (seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0), title.trim())
}

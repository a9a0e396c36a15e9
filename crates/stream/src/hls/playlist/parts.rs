//! Parts of segments (RFC 8216bis sections 4.4.3.7 and 4.4.4.9).

use m3u8_rs::ExtTag;
use url::Url;

use super::attributes::Attributes;
use super::model::{ByteRange, Part};
use super::rewrite::byte_range;

/// Largest accepted duration of a part, seconds: the longest target duration of a stream with parts. At half this
/// value, nothing changes for real servers, whose parts have up to 2 s; at twice this value, one wrong duration makes
/// the estimated time of the stream wrong by two minutes.
const MAX_PART_SECONDS: f64 = 60.0;

/// Smallest PART-TARGET, seconds: a few audio frames. Smaller values are raised to it. The limit bounds the rate of
/// playlist loads. At half this value, a hostile playlist causes 40 loads per second if `HlsSettings::reload` permits
/// it; at twice this value, parts of 50 ms are noticed late.
const MIN_PART_TARGET_SECONDS: f64 = 0.05;

/// Parser of the parts of a playlist. Parts must be parsed in the order of the playlist.
pub(super) struct PartParser<'a> {
    base: &'a Url,
    /// URI and end offset of the last byte range; `None` before the first one.
    range_end: Option<(String, u64)>,
}

impl<'a> PartParser<'a> {
    pub(super) fn new(base: &'a Url) -> Self {
        Self { base, range_end: None }
    }

    /// Parses the parts in the tags of a segment. A malformed part becomes a [`Part`] with `gap` set and the duration
    /// of the part.
    pub(super) fn of(&mut self, tags: &[ExtTag]) -> Vec<Part> {
        let lists = tags.iter().filter(|tag| tag.tag == "X-PART").filter_map(|tag| tag.rest.as_deref());
        lists.map(|list| self.read(&Attributes::parse(list))).collect()
    }

    fn read(&mut self, list: &Attributes<'_>) -> Part {
        let uri = list.get("URI").unwrap_or_default();
        let url = self.base.join(uri).ok().filter(|_| !uri.is_empty());
        let written = list.get("BYTERANGE");
        let range = written.and_then(|text| self.range(uri, text));
        Part {
            gap: url.is_none() || list.is_yes("GAP") || written.is_some() && range.is_none(),
            url: url.unwrap_or_else(|| self.base.clone()),
            range,
            seconds: seconds(list.get("DURATION")).unwrap_or_default(),
        }
    }

    /// Parses a byte range. A range without an offset starts at the end of the previous part of the same resource.
    /// Returns `None` if the range is invalid.
    fn range(&mut self, uri: &str, text: &str) -> Option<ByteRange> {
        let (length, offset) = byte_range(text)?;
        let continued_offset =
            self.range_end.take().filter(|(last, _)| last == uri).map_or(0, |(_, end)| end);
        let offset = offset.unwrap_or(continued_offset);
        self.range_end = Some((uri.to_owned(), offset.checked_add(length)?));
        Some(ByteRange { offset, length })
    }
}

/// Returns PART-TARGET of EXT-X-PART-INF in seconds. If it is missing, returns the longest duration of a part, or
/// `None` without parts.
pub(super) fn target<'a>(tags: impl Iterator<Item = &'a ExtTag>) -> Option<f64> {
    let (mut announced, mut max_seconds) = (None, None::<f64>);
    for tag in tags {
        let list = Attributes::parse(tag.rest.as_deref().unwrap_or_default());
        match tag.tag.as_str() {
            "X-PART-INF" => announced = seconds(list.get("PART-TARGET")),
            "X-PART" => {
                let length = seconds(list.get("DURATION")).unwrap_or_default();
                max_seconds = Some(max_seconds.map_or(length, |max_seconds| max_seconds.max(length)));
            }
            _ => {}
        }
    }
    announced.or(max_seconds).map(|target| target.max(MIN_PART_TARGET_SECONDS))
}

/// Returns the total duration of the parts in seconds.
pub(super) fn length(parts: &[Part]) -> f64 {
    parts.iter().map(|part| part.seconds).sum()
}

fn seconds(text: Option<&str>) -> Option<f64> {
    text?.parse().ok().filter(|seconds| (0.0..=MAX_PART_SECONDS).contains(seconds))
}

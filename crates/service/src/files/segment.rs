//! Names of the segments that archive outputs of MediaLive write: `…/{name}{modifier}.{counter}.{extension}`.

use super::object_key::without_extension;

/// Accepted numbers of digits of a counter. MediaLive writes six, and seven when these are used up. Seven digits are
/// enough for 115 days of segments of one second. With eight digits, a date in the name of another file would be taken
/// for a counter.
const DIGITS: std::ops::RangeInclusive<usize> = 6..=7;

/// The parsed name of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentName {
    /// Name of the stream: the key below the folder of streams, without extension, counter and modifier.
    pub(super) stream: String,
    /// Common prefix of the keys of all segments of the stream, up to the dot before the counter.
    pub(super) prefix: String,
    /// Number of the segment in the stream.
    pub(super) counter: u64,
}

/// Parses the key of a segment. Its first `folder` bytes are the folder of streams, and `modifier` is the name modifier
/// of MediaLive. Returns `None` if the key is not that of a segment.
pub(super) fn segment_name(key: &str, folder: usize, modifier: &str) -> Option<SegmentName> {
    let (before, digits) = without_extension(key).rsplit_once('.')?;
    if !DIGITS.contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let name = before.get(folder..)?;
    let name =
        name.strip_suffix(modifier).filter(|name| !name.is_empty() && !name.ends_with('/')).unwrap_or(name);
    // A counter without a name is not a segment, because the stream would have no id.
    if name.is_empty() || name.ends_with('/') {
        return None;
    }
    Some(SegmentName { stream: name.to_owned(), prefix: format!("{before}."), counter: digits.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_counter_and_modifier_are_cut_off() {
        let of = |key: &str, modifier: &str| {
            segment_name(key, 2, modifier).map(|name| (name.stream, name.counter, name.prefix))
        };
        let is = |stream: &str, counter, prefix: &str| Some((stream.to_owned(), counter, prefix.to_owned()));
        assert_eq!(of("s/my_name_1.000012.m2ts", "_1"), is("my_name", 12, "s/my_name_1."));
        assert_eq!(of("s/my_name_1.000012.m2ts", ""), is("my_name_1", 12, "s/my_name_1."));
        assert_eq!(of("s/a/b.c.1000000.ts", "_x"), is("a/b.c", 1_000_000, "s/a/b.c."));
        assert_eq!(of("s/_1.000000.ts", "_1"), is("_1", 0, "s/_1."));
        assert_eq!(of("s/a.000000", ""), None, "the counter is the extension");
        for key in
            ["s/a.ts", "s/a.12345.ts", "s/a.12345678.ts", "s/.000001.ts", "s/a/.000001.ts", "s/a.00000x.ts"]
        {
            assert_eq!(of(key, ""), None, "{key}");
        }
    }
}

//! Chooses by the key of an object how the object is processed.

use refrain_core::audio::supported_extension;

use super::object_key::extension;
use super::segment::{SegmentName, segment_name};
use crate::settings::FilesSettings;

/// Suffix of the key of a report that an object was not indexed. With this suffix, the report is not taken for a
/// metadata file of a song.
pub(super) const FAILURE_REPORT: &str = ".failed.json";

/// How an object is processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ObjectRoute {
    /// The object is checked.
    Check,
    /// The object is indexed.
    Index,
    /// The object is a metadata file of a song that is indexed.
    Sidecar,
    /// The object is a segment of a stream.
    Segment(SegmentName),
    /// The object is among the files to index, but its extension is not that of an audio file.
    NotAudio,
    /// The object is ignored, for this reason.
    Nothing(&'static str),
}

/// Returns the route of a key.
pub(super) fn route(key: &str, settings: &FilesSettings) -> ObjectRoute {
    let FilesSettings { index_prefix, check_prefix, streams_prefix, .. } = settings;
    let prefixes = [index_prefix, check_prefix, streams_prefix].map(String::as_str);
    // The longest matching prefix wins: of nested folders, the inner one. Of equal prefixes, the last one wins.
    let matching = prefixes.into_iter().enumerate().filter(|(_, prefix)| rest(key, prefix).is_some());
    let Some((index, prefix)) = matching.max_by_key(|(_, prefix)| prefix.len()) else {
        return ObjectRoute::Nothing("it is not below any of the prefixes");
    };
    if key.ends_with('/') {
        return ObjectRoute::Nothing("it is a folder");
    }
    let extension = extension(key);
    // Reports are JSON files in the same folders, so they must never count as files to check.
    let is_json = extension.is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    match index {
        0 if key.ends_with(FAILURE_REPORT) => ObjectRoute::Nothing("it is a report"),
        0 if is_json => ObjectRoute::Sidecar,
        0 if extension.is_none_or(supported_extension) => ObjectRoute::Index,
        0 => ObjectRoute::NotAudio,
        _ if is_json => ObjectRoute::Nothing("it is a report"),
        1 => ObjectRoute::Check,
        _ => match segment_name(key, prefix.len(), &settings.name_modifier) {
            Some(name) => ObjectRoute::Segment(name),
            None => ObjectRoute::Check,
        },
    }
}

/// Returns the part of a key after a prefix, or `None` if the key does not begin with it. Upper and lower case are
/// equal.
fn rest<'a>(key: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = key.split_at_checked(prefix.len())?;
    (start.to_lowercase() == prefix.to_lowercase()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::test_settings;

    #[test]
    fn the_longest_prefix_wins_in_any_case() {
        let settings = test_settings();
        let of = |key: &str| route(key, &settings);
        assert_eq!(of("songs_to_index/a/b.mp3"), ObjectRoute::Index);
        assert_eq!(of("Songs_To_Index/no-extension"), ObjectRoute::Index);
        assert_eq!(of("songs_to_index/a.JSON"), ObjectRoute::Sidecar);
        assert_eq!(of("SONGS_TO_CHECK/a.mp3"), ObjectRoute::Check);
        assert_eq!(of("songs_to_check/page.html"), ObjectRoute::Check);
        let ObjectRoute::Segment(name) = of("songs_to_check/Streams/one.000007.m2ts") else { panic!() };
        assert_eq!((&*name.stream, name.counter), ("one", 7));
        assert_eq!(of("songs_to_check/streams/whole.ts"), ObjectRoute::Check);
        for key in [
            "",
            "a.mp3",
            "songs_to_index",
            "songs_to_index/",
            "songs_to_check/a/",
            "songs_to_check/a.json",
            "songs_to_check/streams/one.000001.json",
            "songs_to_index/a.mp3.failed.json",
            "ſongs_to_check/a.mp3",
        ] {
            assert!(matches!(of(key), ObjectRoute::Nothing(_)), "{key}");
        }
        assert_eq!(of("songs_to_index/cover.jpg"), ObjectRoute::NotAudio);
    }
}

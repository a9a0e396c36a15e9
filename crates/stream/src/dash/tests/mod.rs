//! Tests of the conversion of manifests to playlists at given times.

mod clock;
mod laws;
mod select;

use url::Url;

use super::sidx::SegmentIndex;
use super::*;
use crate::hls::RenditionChoice;
use crate::hls::playlist::{MediaPlaylist, MediaSegment};

/// 2026-01-01T00:00:00Z, the `availabilityStartTime` of the manifests.
const START: f64 = 1_767_225_600.0;

fn base() -> Url {
    Url::parse("https://host.example/live/stream.mpd").unwrap()
}

/// Returns a manifest with these attributes and periods.
fn manifest(attributes: &str, periods: &str) -> String {
    format!("<MPD availabilityStartTime=\"2026-01-01T00:00:00Z\" {attributes}>{periods}</MPD>")
}

/// Returns a period with one audio representation.
fn period(attributes: &str, template: &str) -> String {
    let set = "<AdaptationSet contentType=\"audio\" mimeType=\"audio/mp4\" codecs=\"mp4a.40.2\" lang=\"en\">";
    format!(
        "<Period {attributes}>{set}<Representation id=\"a\" bandwidth=\"64000\">{template}</Representation></AdaptationSet></Period>"
    )
}

fn loaded(text: &str) -> LoadedMpd {
    let mpd = parse(text.as_bytes(), &base()).unwrap();
    LoadedMpd { mpd, url: base(), etag: None, modified: None, date: None, loaded: START }
}

fn begin(text: &str) -> Presentation {
    let presentation = Presentation::default();
    presentation.begin(loaded(text), &RenditionChoice::Automatic, None).unwrap();
    presentation
}

/// Returns the playlist `seconds` after the start of the presentation.
fn at(presentation: &Presentation, seconds: f64) -> MediaPlaylist {
    presentation.playlist_at("a", START + seconds).unwrap().unwrap()
}

fn names(list: &MediaPlaylist) -> Vec<String> {
    let name = |segment: &MediaSegment| match segment.gap {
        true => "gap".to_owned(),
        false => segment.url.path().rsplit('/').next().unwrap_or_default().to_owned(),
    };
    list.segments.iter().map(name).collect()
}

const NUMBERS: &str = "<SegmentTemplate timescale=\"10\" duration=\"20\" startNumber=\"7\" media=\"$Number%03d$.m4s\" initialization=\"i.mp4\"/>";

#[test]
fn clock_determines_the_segments_of_a_template_with_a_duration() {
    let presentation = begin(&manifest(
        "type=\"dynamic\" minimumUpdatePeriod=\"PT500S\"",
        &period("start=\"PT0S\"", NUMBERS),
    ));
    let list = at(&presentation, 7.0);
    assert_eq!(names(&list), ["007.m4s", "008.m4s", "009.m4s"]);
    assert_eq!(list.segments[1].program_date_time, Some(START + 2.0));
    assert_eq!(list.segments[0].map.as_ref().unwrap().url.as_str(), "https://host.example/live/i.mp4");
    let next_load = list.next_load.unwrap();
    assert!((1.0..1.5).contains(&next_load), "{next_load}");
    let first = list.segments[0].sequence;
    let later = at(&presentation, 8.0);
    assert_eq!((later.segments.len(), later.segments[0].sequence), (4, first));
    let list = at(&presentation, 100_000.0);
    assert!(list.segments.len() < 200 && list.segments[0].sequence > first + 49_000);
    assert_eq!(list.segments.last().unwrap().program_date_time, Some(START + 99_998.0));
}

#[test]
fn template_formats_are_filled_in() {
    let template = "<SegmentTemplate timescale=\"10\" duration=\"20\" media=\"$RepresentationID$/$Bandwidth$/$Number%05d$-$Time%x$-$$.m4s\"/>";
    let presentation = begin(&manifest("mediaPresentationDuration=\"PT5S\"", &period("", template)));
    let list = at(&presentation, 0.0);
    let paths: Vec<_> = list.segments.iter().map(|segment| segment.url.path()).collect();
    assert_eq!(paths[1], "/live/a/64000/00002-14-$.m4s");
    assert_eq!((paths.len(), list.end, list.segments[2].seconds), (3, true, 1.0));
    assert_eq!(list.segments[0].program_date_time, None, "the time of day of a recording is unknown");
    let template = "<SegmentTemplate timescale=\"10\" duration=\"20\" media=\"$Unknown$.m4s\"/>";
    let presentation = begin(&manifest("mediaPresentationDuration=\"PT5S\"", &period("", template)));
    assert_eq!(names(&at(&presentation, 0.0)), ["gap", "gap", "gap"]);
}

/// Returns the timeline of these entries.
fn timeline(entries: &str, offset: u64) -> String {
    format!(
        "<SegmentTemplate timescale=\"10\" presentationTimeOffset=\"{offset}\" media=\"t$Time$.m4s\"><SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate>"
    )
}

#[test]
fn entries_of_a_timeline_are_repeated() {
    let presentation = begin(&manifest(
        "type=\"dynamic\"",
        &period(
            "start=\"PT0S\"",
            &timeline(
                "<S t=\"1000\" d=\"20\" r=\"1\"/><S d=\"10\"/><S t=\"1060\" d=\"20\" r=\"-1\"/>",
                1_000,
            ),
        ),
    ));
    let list = at(&presentation, 11.0);
    assert_eq!(names(&list), ["t1000.m4s", "t1020.m4s", "t1040.m4s", "gap", "t1060.m4s", "t1080.m4s"]);
    assert_eq!(list.segments[4].program_date_time, Some(START + 6.0));
    assert_eq!((list.segments[3].seconds, list.segments[3].program_date_time), (1.0, Some(START + 5.0)));
    assert!(list.next_load.is_some());
    // The missing segment keeps its number.
    let first = list.segments[0].sequence;
    let later = at(&presentation, 13.0);
    assert_eq!((later.segments.len(), later.segments[0].sequence), (7, first));
}

#[test]
fn new_period_is_a_discontinuity_with_consecutive_numbers() {
    let before = period("id=\"1\" start=\"PT0S\"", NUMBERS);
    let presentation = begin(&manifest("type=\"dynamic\" minimumUpdatePeriod=\"PT2S\"", &before));
    let list = at(&presentation, 6.0);
    let first = list.segments[0].sequence;
    let after = period("id=\"2\" start=\"PT7S\"", &timeline("<S t=\"500\" d=\"20\" r=\"1\"/>", 500));
    presentation.update(loaded(&manifest(
        "type=\"dynamic\" minimumUpdatePeriod=\"PT2S\"",
        &format!("{before}{after}"),
    )));
    let list = at(&presentation, 11.0);
    assert_eq!(names(&list), ["007.m4s", "008.m4s", "009.m4s", "010.m4s", "t500.m4s", "t520.m4s"]);
    assert_eq!(list.segments[0].sequence, first);
    let discontinuities: Vec<_> = list.segments.iter().map(|segment| segment.discontinuity).collect();
    assert_eq!(discontinuities, [false, false, false, false, true, false]);
    assert_eq!(list.segments[3].seconds, 1.0);
    assert_eq!(list.segments[4].program_date_time, Some(START + 7.0));
    // The first period leaves the manifest.
    presentation.update(loaded(&manifest("type=\"dynamic\" minimumUpdatePeriod=\"PT2S\"", &after)));
    let list = at(&presentation, 11.0);
    assert_eq!((list.segments[0].sequence, list.segments[0].discontinuity_sequence), (first + 4, 1));
    assert!(!list.segments[0].discontinuity);
}

#[test]
fn older_copies_are_ignored_until_the_presentation_restarts() {
    let live = |first: u64| {
        let entries = format!("<S t=\"{first}\" d=\"20\" r=\"2\"/>");
        manifest("type=\"dynamic\"", &period("start=\"PT0S\"", &timeline(&entries, 0)))
    };
    let presentation = begin(&live(1_000));
    let first = at(&presentation, 106.0).segments[0].sequence;
    presentation.update(loaded(&live(800)));
    for _ in 0..3 {
        assert_eq!(presentation.playlist_at("a", START + 106.0), Ok(None));
    }
    let list = at(&presentation, 106.0);
    assert_eq!((list.segments[0].sequence, list.segments[0].discontinuity), (first + 3, true));
}

#[test]
fn missed_segments_are_counted_in_the_numbers() {
    let live = |first: u64| {
        let entries = format!("<S t=\"{first}\" d=\"20\" r=\"2\"/>");
        manifest("type=\"dynamic\"", &period("start=\"PT0S\"", &timeline(&entries, 0)))
    };
    let presentation = begin(&live(1_000));
    let first = at(&presentation, 106.0).segments[0].sequence;
    presentation.update(loaded(&live(1_100)));
    let list = at(&presentation, 116.0);
    assert_eq!((list.segments[0].sequence, list.segments[0].discontinuity), (first + 5, false));
}

#[test]
fn live_manifest_that_ends_is_complete() {
    let presentation = begin(&manifest(
        "type=\"dynamic\" mediaPresentationDuration=\"PT5S\"",
        &period("start=\"PT0S\"", NUMBERS),
    ));
    assert!(!at(&presentation, 4.5).end);
    let list = at(&presentation, 5.0);
    assert_eq!((names(&list).len(), list.end), (3, true));
    presentation.update(loaded(&manifest(
        "type=\"static\" mediaPresentationDuration=\"PT5S\"",
        &period("start=\"PT0S\"", NUMBERS),
    )));
    let list = at(&presentation, 5.0);
    assert_eq!(list.segments[1].program_date_time, Some(START + 2.0), "the times of a live stream remain");
}

#[test]
fn lists_and_segments_of_one_file_have_byte_ranges() {
    let list = "<BaseURL>one.mp4</BaseURL><SegmentList timescale=\"10\" duration=\"20\"><Initialization range=\"0-99\"/><SegmentURL mediaRange=\"100-199\"/><SegmentURL mediaRange=\"200-299\"/></SegmentList>";
    let presentation = begin(&manifest("mediaPresentationDuration=\"PT30S\"", &period("", list)));
    let list = at(&presentation, 0.0);
    assert_eq!((list.segments.len(), list.segments[1].range.unwrap().offset), (2, 200));
    assert_eq!(list.segments[0].map.as_ref().unwrap().range.unwrap().length, 100);

    let indexed = "<BaseURL>one.mp4</BaseURL><SegmentBase indexRange=\"100-187\"/>";
    let presentation = begin(&manifest("mediaPresentationDuration=\"PT30S\"", &period("", indexed)));
    let key = presentation.missing_index("a").unwrap();
    assert_eq!((key.0.as_str(), key.1.offset, key.1.length), ("https://host.example/live/one.mp4", 100, 88));
    let words = [44, u32::from_be_bytes(*b"sidx"), 0, 1, 1_000, 5_000, 7, 1, 300, 2_000, 0];
    let bytes: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_be_bytes()).collect();
    assert!(SegmentIndex::parse(&bytes[..40], 100).is_err());
    presentation.store_index(key, SegmentIndex::parse(&bytes, 100).unwrap());
    assert_eq!(presentation.missing_index("a"), None);
    let list = at(&presentation, 0.0);
    let segment = &list.segments[0];
    assert_eq!(
        (segment.range.unwrap().offset, segment.range.unwrap().length, segment.seconds),
        (151, 300, 2.0)
    );
    assert_eq!(segment.map.as_ref().unwrap().range.unwrap().length, 100);
}

#[test]
fn huge_repetitions_are_limited() {
    let entries = "<S t=\"0\" d=\"20\" r=\"4294967295\"/>";
    let live = begin(&manifest("type=\"dynamic\"", &period("start=\"PT0S\"", &timeline(entries, 0))));
    assert!(at(&live, 100.0).segments.len() <= 2_048);
    let recording =
        begin(&manifest("mediaPresentationDuration=\"PT1000000000S\"", &period("", &timeline(entries, 0))));
    let error = recording.playlist_at("a", START).unwrap_err();
    assert!(matches!(error, MpdError::ManyElements { element: "segments", .. }), "{error}");
    let short = begin(&manifest("mediaPresentationDuration=\"PT4S\"", &period("", &timeline(entries, 0))));
    assert_eq!(at(&short, 0.0).segments.len(), 2);
}

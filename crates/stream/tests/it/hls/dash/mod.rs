//! DASH through `HlsSource`: live manifests and faults.

mod by_clock;
mod ffmpeg;

use std::fmt::Write as _;

use refrain_stream::GapReason;
use refrain_stream::hls::{EndReason, HlsError, MpdError};
use refrain_testkit::origin::{Fault, Times};

use super::*;

/// Date at which the manifests with a timeline begin, seconds since 1970, and its text.
const START: (f64, &str) = (1_767_225_600.0, "2026-01-01T00:00:00Z");

/// Content type of manifests.
const DASH: &str = "application/dash+xml";

fn set(inner: &str) -> String {
    format!(
        "<AdaptationSet contentType=\"audio\" mimeType=\"audio/mp4\" codecs=\"mp4a.40.2\"><Representation id=\"a\" bandwidth=\"64000\">{inner}</Representation></AdaptationSet>"
    )
}

/// Returns a period whose timeline lists the segments `first..end` of 2 s.
fn timeline(attributes: &str, folder: &str, first: u64, end: u64) -> String {
    let entries = format!("<S t=\"{}\" d=\"20\" r=\"{}\"/>", 20 * first, end - first - 1);
    let inner = format!(
        "<SegmentTemplate timescale=\"10\" initialization=\"{folder}/init\" media=\"{folder}/$Time$.m4s\"><SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate>"
    );
    format!("<Period {attributes}>{}</Period>", set(&inner))
}

fn live(more: &str, periods: &str) -> String {
    format!(
        "<MPD type=\"dynamic\" availabilityStartTime=\"{}\" minimumUpdatePeriod=\"PT0S\">{more}{periods}</MPD>",
        START.1
    )
}

/// Serves the segments `indices` of [`timeline`] in a folder.
fn serve(origin: &Origin, folder: &str, indices: std::ops::Range<u64>) {
    origin.put(&format!("{folder}/init"), content(1_000), "");
    for index in indices {
        origin.put(&format!("{folder}/{}.m4s", 20 * index), content(index), "");
    }
}

#[tokio::test]
async fn growing_timeline_is_followed() {
    let origin = origin().await;
    serve(&origin, "/x", 0..40);
    let manifest = |first, end| live("", &timeline("start=\"PT0S\"", "x", first, end));
    origin.put("/live.mpd", manifest(0, 5), DASH);
    let mut source = open(&origin.url("/live.mpd"));
    let first = segment(&mut source).await;
    assert_eq!((first.bytes.clone(), first.program_date_time), (content(2), Some(START.0 + 4.0)));
    assert_eq!(first.init.as_ref().unwrap().bytes, content(1_000));
    expect(&mut source, 3, 2).await;
    for end in 6..30 {
        origin.put("/live.mpd", manifest(end - 5, end), DASH);
        expect(&mut source, end - 1, 1).await;
    }
    // Three segments at once, and segments that were missed.
    origin.put("/live.mpd", manifest(27, 32), DASH);
    expect(&mut source, 29, 3).await;
    origin.put("/live.mpd", manifest(35, 38), DASH);
    let missed = gap(&mut source).await;
    assert_eq!((missed.seconds, missed.reason), (6.0, GapReason::Missed));
    expect(&mut source, 35, 3).await;
    let ended = manifest(35, 38)
        .replace("dynamic", "static")
        .replace("<MPD", "<MPD mediaPresentationDuration=\"PT76S\"");
    origin.put("/live.mpd", ended, DASH);
    assert!(next(&mut source).await.is_none());
    let status = status(&source);
    assert_eq!(status.state, SourceState::Ended(EndReason::EndList));
    assert_eq!((status.rendition.as_deref(), status.gaps.total().count, status.resets), (Some("a"), 1, 0));
    assert_eq!(origin.request_count("/x/init"), 1);
}

#[tokio::test]
async fn segments_that_are_announced_early_are_requested_again() {
    let origin = origin().await;
    serve(&origin, "/x", 0..5);
    origin.put("/live.mpd", live("", &timeline("start=\"PT0S\"", "x", 0, 6)), DASH);
    let mut source = open(&origin.url("/live.mpd"));
    expect(&mut source, 3, 2).await;
    until(&source, |status| status.retries >= 2).await;
    serve(&origin, "/x", 5..6);
    expect(&mut source, 5, 1).await;
    assert_eq!(status(&source).gaps.total().count, 0);
}

#[tokio::test]
async fn new_period_after_a_restart_of_the_encoder_continues_the_stream() {
    let origin = origin().await;
    serve(&origin, "/x", 0..6);
    serve(&origin, "/y", 0..9);
    let before = timeline("id=\"1\" start=\"PT0S\"", "x", 0, 5);
    origin.put("/live.mpd", live("", &before), DASH);
    let mut source = open(&origin.url("/live.mpd"));
    expect(&mut source, 2, 3).await;
    let after = |end| timeline("id=\"2\" start=\"PT13S\"", "y", 0, end);
    origin.put("/live.mpd", live("", &format!("{before}{}", after(2))), DASH);
    let missing = gap(&mut source).await;
    assert_eq!((missing.seconds, missing.program_date_time), (3.0, Some(START.0 + 10.0)));
    let first = segment(&mut source).await;
    assert_eq!((first.bytes, first.discontinuity), (content(0), true));
    assert_eq!(first.program_date_time, Some(START.0 + 13.0));
    expect(&mut source, 1, 1).await;
    // The first period leaves the manifest.
    origin.put("/live.mpd", live("", &after(3)), DASH);
    let last = segment(&mut source).await;
    assert_eq!((last.bytes, last.discontinuity), (content(2), false));
    assert_eq!(status(&source).resets, 0);
}

#[tokio::test]
async fn further_base_url_replaces_one_that_fails() {
    let (origin, backup) = (origin().await, origin().await);
    serve(&origin, "/x", 0..20);
    serve(&backup, "/x", 0..20);
    let bases = format!("<BaseURL>{}</BaseURL><BaseURL>{}</BaseURL>", origin.url("/"), backup.url("/"));
    let manifest = |first, end| live(&bases, &timeline("start=\"PT0S\"", "x", first, end));
    origin.put("/live.mpd", manifest(0, 5), DASH);
    let mut source = open(&origin.url("/live.mpd"));
    expect(&mut source, 2, 3).await;
    origin.fault("/x/*", Fault::Status(404), Times::Always);
    for end in 6..12 {
        origin.put("/live.mpd", manifest(end - 5, end), DASH);
        expect_any(&mut source, end - 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let status = status(&source);
    assert_eq!(status.rendition_changes, 1, "{status:?}");
    assert!(status.rendition.as_deref().unwrap().starts_with("a (127.0.0.1)"), "{status:?}");
    assert!(backup.request_count("/x/200.m4s") >= 1);
}

/// Takes the next delivery, which must be the segment `index` or a gap of its duration.
async fn expect_any(source: &mut HlsSource, index: u64) {
    match next(source).await {
        Some(Delivery::HlsSegment(segment)) => assert_eq!(segment.bytes, content(index)),
        Some(Delivery::Gap(gap)) => assert_eq!(gap.seconds, 2.0),
        other => panic!("expected segment {index}, got {other:?}"),
    }
}

#[tokio::test]
async fn location_of_the_manifest_is_followed_and_its_failure_tolerated() {
    let origin = origin().await;
    serve(&origin, "/x", 0..20);
    let manifest = |end| {
        live(
            "<Location>/moved/a.mpd?t=1</Location><BaseURL>/</BaseURL>",
            &timeline("start=\"PT0S\"", "x", 0, end),
        )
    };
    origin.put("/live.mpd", manifest(5), DASH);
    origin.put("/moved/a.mpd", manifest(6), DASH);
    let mut source = open(&origin.url("/live.mpd"));
    expect(&mut source, 3, 3).await;
    assert_eq!(origin.request_count("/live.mpd"), 1);
    origin.fault("/moved/*", Fault::Status(403), Times::First(1));
    origin.put("/moved/a.mpd", manifest(8), DASH);
    origin.put("/live.mpd", manifest(7), DASH);
    expect(&mut source, 6, 2).await;
    let status = status(&source);
    assert_eq!((status.resets, status.gaps.total().count), (0, 0));
    assert!(status.playlist_errors >= 1);
}

#[tokio::test]
async fn encrypted_and_hostile_manifests_fail_with_their_reason() {
    let origin = origin().await;
    let drm = "<ContentProtection schemeIdUri=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\"/><SegmentTemplate duration=\"2\" media=\"a\"/>";
    let period = |inner: &str| {
        format!("<MPD mediaPresentationDuration=\"PT9S\"><Period>{}</Period></MPD>", set(inner))
    };
    let bomb = "<!DOCTYPE MPD [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><MPD><Title>&b;</Title></MPD>";
    let cases = [
        ("/drm.mpd", period(drm), MpdError::Encrypted("Widevine".to_owned())),
        ("/bomb.mpd", bomb.to_owned(), MpdError::DocType),
        (
            "/zero.mpd",
            period("<SegmentTemplate timescale=\"0\" duration=\"2\" media=\"a\"/>"),
            MpdError::NoAudio("the timescale is 0".to_owned()),
        ),
        (
            "/file.mpd",
            period("<BaseURL>a.mp4</BaseURL>"),
            MpdError::NoAudio(
                "a representation without SegmentTemplate, SegmentList or SegmentBase is not supported"
                    .to_owned(),
            ),
        ),
    ];
    for (path, text, reason) in cases {
        origin.put(path, text, DASH);
        let source = open(&origin.url(path));
        match ended(&source).await {
            SourceState::Failed(HlsError::Manifest { error, .. }) => assert_eq!(error, reason),
            other => panic!("{path}: {other:?}"),
        }
        assert_eq!(origin.request_count(path), 1, "{path}: a retry cannot help");
    }
}

#[tokio::test]
async fn large_manifest_is_parsed_and_a_larger_one_is_refused() {
    let origin = origin().await;
    serve(&origin, "/x", 0..20);
    let mut filler = String::new();
    while filler.len() < 1 << 20 {
        let _ =
            write!(filler, "<ProgramInformation><Title>{}</Title></ProgramInformation>", "x".repeat(1_000));
    }
    origin.put("/large.mpd", live(&filler, &timeline("start=\"PT0S\"", "x", 0, 5)), DASH);
    expect(&mut open(&origin.url("/large.mpd")), 2, 3).await;
    let too_large = live(&filler.repeat(3), &timeline("start=\"PT0S\"", "x", 0, 5));
    origin.put("/larger.mpd", too_large, DASH);
    let source = open(&origin.url("/larger.mpd"));
    assert!(until(&source, |status| status.playlist_errors >= 2).await.last_error.is_some());
}

//! Tests of the origin: playlists of live streams over time, and the server.

#![allow(clippy::unwrap_used, reason = "an unexpected value fails the test")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use refrain_testkit::origin::{Clip, DateStyle, Fault, LiveOptions, LiveStream, Origin, Times, cut};

fn clips(count: usize) -> Vec<Clip> {
    (0..count)
        .map(|index| Clip { bytes: format!("clip {index}").into_bytes().into(), seconds: 2.0 })
        .collect()
}

fn lines(text: &str, start: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
}

#[test]
fn real_time_streams_publish_elapsed_segments_and_repeat() {
    let options = LiveOptions { first_sequence: 10, dates: DateStyle::Zulu, ..LiveOptions::default() };
    let stream = LiveStream::real_time(clips(4), 15.0, options);
    let text = stream.playlist();
    assert_eq!(stream.published(), 7);
    assert_eq!(lines(&text, "#EXT-X-MEDIA-SEQUENCE"), ["#EXT-X-MEDIA-SEQUENCE:12"]);
    assert_eq!(lines(&text, "seg"), ["seg2.ts", "seg3.ts", "seg4.ts", "seg5.ts", "seg6.ts"]);
    // The list repeats from segment 4 on, which starts a discontinuity.
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
    assert!(text.find("#EXT-X-DISCONTINUITY\n") > text.find("seg3.ts"));
    assert_eq!(
        lines(&text, "#EXT-X-PROGRAM-DATE-TIME")[0],
        "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:24.000Z"
    );
    let later = LiveStream::real_time(clips(4), 31.0, LiveOptions::default());
    assert_eq!(
        lines(&later.playlist(), "#EXT-X-DISCONTINUITY-SEQUENCE"),
        ["#EXT-X-DISCONTINUITY-SEQUENCE:2"]
    );
}

#[test]
fn manual_streams_publish_only_on_request() {
    let stream = LiveStream::manual(clips(50), 2, LiveOptions::default());
    assert_eq!(lines(&stream.playlist(), "seg"), ["seg0.ts", "seg1.ts"]);
    stream.publish(1);
    stream.change(|options| options.end = true);
    let text = stream.playlist();
    assert_eq!(lines(&text, "seg").len(), 3);
    assert!(text.ends_with("#EXT-X-ENDLIST\n"));
}

fn in_parts() -> (Vec<Clip>, Vec<Vec<Clip>>) {
    let clips = clips(8);
    let parts = clips.iter().map(|clip| cut(clip, &[2, 4])).collect();
    (clips, parts)
}

#[test]
fn parts_are_published_before_their_segment() {
    let (clips, parts) = in_parts();
    assert_eq!(parts[0].iter().map(|part| &part.bytes[..]).collect::<Vec<_>>(), [&b"cl"[..], b"ip", b" 0"]);
    let options = LiveOptions { low_latency: true, part_window: 1, ..LiveOptions::default() };
    // Two segments and two thirds of the next one.
    let real = LiveStream::real_time(clips.clone(), 5.4, options.clone()).parts(parts.clone());
    let manual = LiveStream::manual(clips, 2, options).parts(parts);
    manual.publish_parts(2);
    for text in [real.playlist(), manual.playlist()] {
        let part_lines = lines(&text, "#EXT-X-PART:");
        assert_eq!(part_lines.len(), 5, "{text}");
        assert!(part_lines[0].contains("part1.0.ts") && part_lines[4].contains("part2.1.ts"), "{text}");
        assert!(text.ends_with("URI=\"part2.2.ts\"\n"), "{text}");
    }
    manual.publish_parts(1);
    assert_eq!((manual.published(), lines(&manual.playlist(), "seg").len()), (3, 3));
    manual.change(|options| options.part_ranges = true);
    assert!(manual.playlist().contains("URI=\"seg2.ts\",BYTERANGE=\"2@4\""), "{}", manual.playlist());
}

/// Sends a GET request. Returns the raw response.
fn get(origin: &Origin, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(origin.address()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap_or_default();
    response
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn origin_serves_streams_files_ranges_and_faults_and_logs_requests() {
    let origin = Origin::start().await.unwrap();
    origin.live("/a", &LiveStream::manual(clips(5), 3, LiveOptions::default()));
    origin.put("/x.txt", "0123456789", "text/plain");
    assert!(get(&origin, "/a/index.m3u8?t=1", "").contains("seg2.ts"));
    assert!(get(&origin, "/a/seg2.ts", "").ends_with("clip 2"));
    assert!(get(&origin, "/a/seg3.ts", "").starts_with("HTTP/1.1 404"));
    let part = get(&origin, "/x.txt", "Range: bytes=2-4\r\n");
    assert!(part.starts_with("HTTP/1.1 206") && part.ends_with("234"), "{part}");
    origin.fault("/x*", Fault::Status(503), Times::First(1));
    origin.fault("/x.txt", Fault::Truncated(4), Times::First(1));
    assert!(get(&origin, "/x.txt", "").starts_with("HTTP/1.1 503"));
    assert!(get(&origin, "/x.txt", "").ends_with("0123"));
    assert!(get(&origin, "/x.txt", "").ends_with("0123456789"));
    let requests = origin.requests();
    assert_eq!((requests[0].path.as_str(), requests[0].query.as_str()), ("/a/index.m3u8", "t=1"));
    assert_eq!(origin.request_count("/x.txt"), 4);
    assert_eq!(requests[3].headers["range"], "bytes=2-4");
    let taken = origin.take_requests();
    let faults: Vec<_> = taken.iter().filter_map(|request| request.fault.clone()).collect();
    assert_eq!(faults, [Fault::Status(503), Fault::Truncated(4)]);
    assert!(taken.len() == requests.len() && origin.requests().is_empty());
}

#[test]
fn playlists_can_declare_wrong_durations() {
    let stream = LiveStream::manual(clips(3), 3, LiveOptions::default());
    stream.change(|options| options.marks.entry(1).or_default().declared_seconds = Some(47_727.86));
    let durations = ["#EXTINF:2.000000,", "#EXTINF:47727.860000,", "#EXTINF:2.000000,"];
    assert_eq!(lines(&stream.playlist(), "#EXTINF"), durations);
}

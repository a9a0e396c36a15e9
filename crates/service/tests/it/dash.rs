//! Songs of DASH streams are recognized at their true times.

use std::fs;
use std::path::Path;
use std::process::Command;

use refrain_catalog::Detection;
use refrain_monitor::{EventKind, SourceKind, StreamPhase};
use refrain_testkit::origin::{Fault, Origin, Times};
use refrain_testkit::{RATE, write_wav};

use crate::monitor::{ended, fast_settings, monitor, start_stream, until};
use crate::songs::{SECONDS, SILENCE, library};

/// Date at which the live broadcast begins, seconds since 1970, and its text.
const START: (f64, &str) = (1_767_225_600.0, "2026-01-01T00:00:00Z");

/// Writes the broadcast of the library as DASH to `folder`.
fn write_dash(folder: &Path, options: &str) {
    write_wav(folder.join("x.wav"), &library().samples, RATE).unwrap();
    let arguments =
        format!("-v error -nostdin -i x.wav -c:a aac -b:a 96k -f dash -seg_duration 2 {options} x.mpd");
    let run = Command::new("ffmpeg").args(arguments.split(' ')).current_dir(folder).status();
    assert!(run.expect("ffmpeg is needed for these tests").success());
}

/// Serves all files of `folder` except for the manifest, and returns the manifest.
fn serve(origin: &Origin, folder: &Path) -> String {
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        if name.ends_with(".m4s") {
            origin.put(&format!("/d/{name}"), fs::read(file.path()).unwrap(), "audio/mp4");
        }
    }
    fs::read_to_string(folder.join("x.mpd")).unwrap()
}

/// Checks that both songs were reported once, at their times.
#[track_caller]
fn check(events: &[Detection], start: Option<f64>) {
    let finals: Vec<_> = events.iter().filter(|event| event.kind == EventKind::Final).collect();
    assert_eq!(finals.len(), 2, "{events:?}");
    for (track, at) in [(1, SILENCE), (2, 2.0 * SILENCE + SECONDS)] {
        let one = finals.iter().find(|event| event.detected.track.0 == track).unwrap();
        assert!((one.detected.query_start - at).abs() < 0.5, "{one:?}");
        assert!((one.detected.query_end - at - SECONDS).abs() < 0.5, "{one:?}");
        if let Some(start) = start {
            assert!((one.origin - start).abs() < 0.1, "{one:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn songs_of_recorded_dash_are_recognized() {
    for options in ["-use_timeline 1", "-use_timeline 0"] {
        let (origin, folder) = (Origin::start().await.unwrap(), tempfile::tempdir().unwrap());
        write_dash(folder.path(), options);
        let manifest = serve(&origin, folder.path());
        // The content decides the kind, and neither the extension nor the content type.
        origin.put("/d/stream", manifest, "text/plain");
        let monitor = monitor(fast_settings());
        let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.url("/d/stream"));
        let (status, events) = ended(&handle, &mut events_receiver).await;
        check(&events, None);
        assert_eq!(status.kind, Some(SourceKind::Dash));
        assert!(matches!(status.state, StreamPhase::Ended(_)), "{:?}", status.state);
        assert_eq!(status.decoder.gaps.total().count, 0, "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn songs_of_live_dash_are_recognized_at_their_dates() {
    let (origin, folder) = (Origin::start().await.unwrap(), tempfile::tempdir().unwrap());
    write_dash(folder.path(), "-use_timeline 1");
    let recorded = serve(&origin, folder.path());
    let template = recorded.split("<S t=").next().unwrap().to_owned();
    let entries = "<S t=\"0\" d=\"88200\" r=\"COUNT\"/></SegmentTimeline></SegmentTemplate></Representation></AdaptationSet></Period></MPD>";
    let live = format!("{template}{entries}").replace(
        "type=\"static\"",
        &format!("type=\"dynamic\" availabilityStartTime=\"{}\" minimumUpdatePeriod=\"PT0S\"", START.1),
    );
    let live = live
        .lines()
        .filter(|line| !line.contains("mediaPresentationDuration"))
        .collect::<Vec<_>>()
        .join("\n");
    let listed = |count: usize| live.replace("COUNT", &(count - 1).to_string());
    origin.put("/d/live", listed(3), "application/dash+xml");
    // One segment is announced before it exists.
    origin.fault("/d/chunk-stream0-00005.m4s", Fault::Status(404), Times::First(2));
    let monitor = monitor(fast_settings());
    let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.url("/d/live"));
    until(&handle, |status| status.decoder.segments == 3).await;
    for count in 4..=26 {
        origin.put("/d/live", listed(count), "application/dash+xml");
        until(&handle, |status| status.decoder.segments == count as u64).await;
    }
    let ended_manifest =
        listed(26).replace("type=\"dynamic\"", "type=\"static\" mediaPresentationDuration=\"PT52S\"");
    origin.put("/d/live", ended_manifest, "application/dash+xml");
    let (status, events) = ended(&handle, &mut events_receiver).await;
    check(&events, Some(START.0));
    assert_eq!(status.decoder.gaps.total().count, 0, "{status:?}");
    assert_eq!(status.kind, Some(SourceKind::Dash));
}

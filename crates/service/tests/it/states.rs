//! Tests of the states of streams and their reasons.

use std::time::Duration;

use refrain_monitor::{GiveUpBudget, MonitorSettings, StreamPhase, StreamStatus};
use refrain_testkit::RATE;
use refrain_testkit::origin::{Clip, Fault, LiveOptions, LiveStream, Marks, Origin, Times};
use tokio::net::TcpListener;

use crate::monitor::{ended, fast_settings, joined, live, monitor, start_stream, until};
use crate::songs::{library, segments};

/// Returns settings with which a stream is not stalled while a test waits.
fn settings() -> MonitorSettings {
    let mut settings = fast_settings();
    settings.source.hls.stalled_after = 1000.0;
    settings
}

/// Returns a live stream of these clips whose playlist lists all segments.
fn live_of(clips: Vec<Clip>, published: u64) -> LiveStream {
    LiveStream::manual(clips, published, LiveOptions { window: 1000, ..LiveOptions::default() })
}

#[track_caller]
fn assert_reason(status: &StreamStatus, part: &str) {
    let reason = status.reason.as_deref().unwrap_or_default();
    assert!(reason.contains(part), "{reason:?} does not contain {part:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_addresses_fail_with_a_reason_that_contains_no_token() {
    let origin = Origin::start().await.unwrap();
    // The port is free again after the listener is dropped, so connections to it are refused.
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut settings = settings();
    settings.source.give_up.before_audio = Duration::from_millis(500);
    let monitor = monitor(settings);
    for (url, reason) in [
        (origin.url("/none.m3u8?token=secret"), "status 404"),
        (origin.url("/none?token=secret"), "status 404"),
        (format!("http://{refused}/live.m3u8?token=secret"), "refused"),
        (format!("http://{refused}/live?token=secret"), "refused"),
        ("http://unknown.invalid/live.m3u8?token=secret".to_owned(), "http://unknown.invalid/live.m3u8"),
        ("http://unknown.invalid/live?token=secret".to_owned(), "http://unknown.invalid/live"),
    ] {
        let (handle, mut events_receiver) = start_stream(&monitor, "x", &url);
        let (status, events) = ended(&handle, &mut events_receiver).await;
        let StreamPhase::Failed(why) = &status.state else { panic!("{url}: {:?}", status.state) };
        assert!(why.contains(reason) && !why.contains("secret"), "{url}: {why}");
        assert_eq!(status.reason.as_ref(), Some(why));
        assert!(events.is_empty() && !status.has_audio() && status.state_changes >= 1, "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_segments_are_reported_with_their_status_until_they_are_decoded() {
    let origin = Origin::start().await.unwrap();
    let live = live(3, LiveOptions::default());
    let url = origin.live("/live", &live);
    origin.fault("/live/seg*", Fault::Status(403), Times::Always);
    let monitor = monitor(settings());
    let (handle, _events_receiver) = start_stream(&monitor, "x", &url);
    let status = until(&handle, |status| status.state != StreamPhase::Starting).await;
    assert_eq!(status.state, StreamPhase::Retrying);
    assert_reason(&status, "segments cannot be fetched from 127.0.0.1");
    assert_reason(&status, "status 403");
    let status = until(&handle, |status| status.decoder.missing_seconds() > 0.0).await;
    assert_eq!(status.position, 0.0, "the stream begins with its first audio");
    origin.heal("/live/seg*");
    live.publish(3);
    let status = until(&handle, |status| status.state == StreamPhase::Live).await;
    assert!(status.has_audio() && status.reason.is_none(), "{status:?}");
    handle.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_that_is_refused_from_the_start_is_given_up() {
    let origin = Origin::start().await.unwrap();
    let live = live(3, LiveOptions::default());
    let url = origin.live("/live", &live);
    origin.fault("/live/seg*", Fault::Status(403), Times::Always);
    let mut settings = settings();
    settings.source.give_up.before_audio = Duration::from_secs(1);
    let monitor = monitor(settings);
    let (handle, mut events_receiver) = start_stream(&monitor, "x", &url);
    let (status, _) = ended(&handle, &mut events_receiver).await;
    assert!(matches!(status.state, StreamPhase::Failed(_)), "{:?}", status.state);
    assert_reason(&status, "status 403; no audio was decoded within 1 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn media_without_audio_is_never_live() {
    let origin = Origin::start().await.unwrap();
    let clips: Vec<Clip> = library()
        .clips
        .iter()
        .map(|clip| Clip { bytes: b"no media at all".repeat(50).into(), seconds: clip.seconds })
        .collect();
    let seconds: f64 = clips.iter().take(4).map(|clip| clip.seconds).sum();
    let live = live_of(clips, 3);
    let monitor = monitor(settings());
    let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.live("/live", &live));
    let status = until(&handle, |status| status.state != StreamPhase::Starting).await;
    assert_eq!(status.state, StreamPhase::NoAudio);
    assert_reason(&status, "contains no audio");
    live.publish(1);
    live.change(|options| options.end = true);
    let (status, _) = ended(&handle, &mut events_receiver).await;
    assert!(matches!(status.state, StreamPhase::Failed(_)), "{:?}", status.state);
    assert_reason(&status, "no audio was decoded");
    let missing = status.decoder.missing_seconds();
    assert!((missing - seconds).abs() < 0.1, "{missing} of {seconds} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn unsupported_encryption_is_reported_with_its_method() {
    let origin = Origin::start().await.unwrap();
    let playlist = "#EXTM3U\n#EXT-X-VERSION:5\n#EXT-X-TARGETDURATION:2\n\
                    #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.example\"\n\
                    #EXTINF:2,\na.ts\n#EXTINF:2,\nb.ts\n#EXT-X-ENDLIST\n";
    origin.put("/x.m3u8", playlist, "");
    let monitor = monitor(settings());
    let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.url("/x.m3u8"));
    let (status, _) = ended(&handle, &mut events_receiver).await;
    assert!(matches!(status.state, StreamPhase::Failed(_)), "{:?}", status.state);
    assert_reason(&status, "SAMPLE-AES");
    assert!((status.decoder.missing_seconds() - 4.0).abs() < 0.01, "{}", status.decoder.missing_seconds());
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_keys_are_reported_with_their_status() {
    let origin = Origin::start().await.unwrap();
    let live = live(3, LiveOptions { key: Some([7; 16]), ..LiveOptions::default() });
    let url = origin.live("/live", &live);
    origin.fault("/live/key*", Fault::Status(403), Times::Always);
    let monitor = monitor(settings());
    let (handle, _events_receiver) = start_stream(&monitor, "x", &url);
    let status = until(&handle, |status| status.state != StreamPhase::Starting).await;
    assert_eq!(status.state, StreamPhase::NoAudio);
    assert_reason(&status, "the key cannot be fetched from 127.0.0.1");
    assert_reason(&status, "status 403");
    handle.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_stream_is_not_live_until_sound_follows() {
    let origin = Origin::start().await.unwrap();
    let samples = vec![0.0; 14 * RATE as usize];
    let mut clips = segments(&samples, 2.0);
    let silent = clips.len() as u64;
    clips.extend(library().clips.iter().skip(3).take(3).cloned());
    let live = live_of(clips, 3);
    // The time stamps of the sound do not continue those of the silence.
    let restart = Marks { discontinuity: true, ..Marks::default() };
    live.change(|options| options.marks = [(silent, restart)].into());
    let monitor = monitor(settings());
    let (handle, _events_receiver) = start_stream(&monitor, "x", &origin.live("/live", &live));
    joined(&handle).await;
    live.publish(silent - 3);
    let status = until(&handle, |status| status.state == StreamPhase::Silent).await;
    assert_reason(&status, "below -60 dBFS for 10 s");
    live.publish(3);
    until(&handle, |status| status.state == StreamPhase::Live).await;
    handle.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_that_was_live_is_retried_for_the_longer_budget() {
    let origin = Origin::start().await.unwrap();
    let live = live(3, LiveOptions::default());
    let url = origin.live("/live", &live);
    let mut settings = settings();
    settings.source.give_up =
        GiveUpBudget { before_audio: Duration::from_secs(3), after_audio: Duration::from_secs(60) };
    let monitor = monitor(settings);
    let (handle, _events_receiver) = start_stream(&monitor, "x", &url);
    joined(&handle).await;
    origin.fault("/live/*", Fault::Status(503), Times::Always);
    let status = until(&handle, |status| status.state == StreamPhase::Retrying).await;
    assert_reason(&status, "status 503");
    assert!(status.has_audio(), "the state remains live for 10 s after the last audio");
    origin.heal("/live/*");
    live.publish(3);
    let status = until(&handle, |status| status.state == StreamPhase::Live && status.reason.is_none()).await;
    assert!(status.state_changes >= 3, "{}", status.state_changes);
    handle.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn outage_of_a_station_is_reported_while_it_lasts() {
    let origin = Origin::start().await.unwrap();
    origin.put("/sound", vec![0xFF; 2000], "audio/aac");
    origin.put("/pls", format!("[playlist]\nFile1={}\n", origin.url("/sound")), "audio/x-scpls");
    let mut settings = settings();
    settings.source.radio.retry = (Duration::from_millis(5), Duration::from_millis(20));
    let monitor = monitor(settings);
    origin.fault("/sound", Fault::Status(503), Times::Always);
    let (handle, _events_receiver) = start_stream(&monitor, "x", &origin.url("/pls"));
    let status = until(&handle, |status| status.state == StreamPhase::Retrying).await;
    assert_reason(&status, "status 503");
    handle.stop();
}

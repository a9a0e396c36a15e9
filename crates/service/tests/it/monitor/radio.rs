//! Radio stations whose addresses lead to something other than audio.

use refrain_monitor::{MonitorSettings, SourceKind, StreamPhase};
use refrain_stream::RadioSettings;
use refrain_testkit::origin::{Fault, LiveOptions, Origin, Times};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn hls_playlist_in_the_list_of_a_station_is_followed_as_hls() {
    let origin = Origin::start().await.unwrap();
    let stream = live(
        library().clips.len() as u64,
        LiveOptions { end: true, kind: Some("VOD"), ..LiveOptions::default() },
    );
    let hls = origin.live("/live", &stream);
    origin.fault("/full", Fault::Status(503), Times::Always);
    let list = format!("[playlist]\nFile1={}\nFile2={hls}\n", origin.url("/full"));
    origin.put("/listen.pls", list, "audio/x-scpls");
    let monitor = monitor(fast_settings());
    let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.url("/listen.pls"));
    let (status, events) = ended(&handle, &mut events_receiver).await;
    check(&events);
    assert_eq!(
        (status.kind, &status.state),
        (Some(SourceKind::Hls), &StreamPhase::Ended(StreamEnd::EndList))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn document_ends_a_stream_with_its_name() {
    let origin = Origin::start().await.unwrap();
    origin.put("/page", "<html><body>Please log in</body></html>", "audio/mpeg");
    origin.put("/api", "{\"url\": \"\"}", "application/json");
    let monitor = monitor(fast_settings());
    for (path, name) in [("/page?token=secret", "an HTML page"), ("/api?token=secret", "a JSON document")] {
        let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.url(path));
        let (status, _) = ended(&handle, &mut events_receiver).await;
        let StreamPhase::Failed(why) = &status.state else { panic!("{:?}", status.state) };
        assert!(why.contains(name) && !why.contains("secret"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn station_that_never_sends_audio_ends() {
    let origin = Origin::start().await.unwrap();
    origin.put("/full", vec![0; 2_000], "audio/mpeg");
    origin.add_header("/full", "icy-name", "Full");
    let mut settings: MonitorSettings = fast_settings();
    let ms = Duration::from_millis;
    settings.source.radio = RadioSettings { retry: (ms(20), ms(10_000)), ..RadioSettings::default() };
    settings.source.give_up.before_audio = ms(500);
    let monitor = monitor(settings);
    let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.url("/full"));
    let (status, events) = ended(&handle, &mut events_receiver).await;
    assert!(matches!(status.state, StreamPhase::Failed(_)) && events.is_empty(), "{:?}", status.state);
    assert!(status.source.retries < 10, "{}", status.source.retries);
}

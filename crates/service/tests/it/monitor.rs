//! Tests of the monitor with a server that injects faults.

mod radio;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use refrain_catalog::Detection;
use refrain_monitor::{
    EventKind, GiveUpBudget, Monitor, MonitorSettings, SourceKind, SourceSettings, StreamEnd, StreamHandle,
    StreamInput, StreamPhase, StreamSpec, StreamStatus,
};
use refrain_net::{HttpSettings, TransferLimits};
use refrain_stream::hls::HlsSettings;
use refrain_stream::{ClockSource, GapReason};
use refrain_testkit::origin::{Clip, DateStyle, Fault, LiveOptions, LiveStream, Marks, Origin, Times, cut};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::songs::{BROADCAST, SECONDS, SILENCE, library};

/// Maximum time to wait for an expected state.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn fast_settings() -> MonitorSettings {
    let ms = Duration::from_millis;
    let hls = HlsSettings {
        reload: (ms(10), ms(15)),
        retry: (ms(5), ms(20)),
        segment: TransferLimits { bytes: 1 << 20, total: ms(2000) },
        segment_timeout: ms(500),
        resolve_pause: ms(20),
        stalled_after: 0.2,
        ..HlsSettings::default()
    };
    MonitorSettings {
        source: SourceSettings {
            hls,
            give_up: GiveUpBudget { before_audio: DEADLINE, after_audio: ms(10_000) },
            ..SourceSettings::default()
        },
        http: HttpSettings { read_timeout: ms(1000), ..HttpSettings::default() },
        ..MonitorSettings::default()
    }
}

pub(crate) fn monitor(settings: MonitorSettings) -> Monitor {
    Monitor::new(|| Arc::clone(&library().snapshot), settings).unwrap()
}

/// Creates a stream whose playlist lists all segments.
pub(crate) fn live(published: u64, options: LiveOptions) -> LiveStream {
    LiveStream::manual(Arc::clone(&library().clips), published, LiveOptions { window: 1000, ..options })
}

pub(crate) fn start_stream(
    monitor: &Monitor,
    id: &str,
    url: &str,
) -> (StreamHandle, mpsc::Receiver<Detection>) {
    let (events, events_receiver) = mpsc::channel(100);
    let spec = StreamSpec::new(id, StreamInput::Url(url.to_owned()));
    (monitor.start(spec, events), events_receiver)
}

pub(crate) async fn ended(
    handle: &StreamHandle,
    events_receiver: &mut mpsc::Receiver<Detection>,
) -> (StreamStatus, Vec<Detection>) {
    let all = async {
        let mut events = Vec::new();
        while let Some(event) = events_receiver.recv().await {
            events.push(event);
        }
        (handle.ended().await, events)
    };
    timeout(DEADLINE, all).await.expect("the stream does not end")
}

/// Waits until the first three segments are decoded, so that the stream is joined at its start.
pub(crate) async fn joined(handle: &StreamHandle) {
    until(handle, |status| status.decoder.segments == 3).await;
}

pub(crate) async fn until(handle: &StreamHandle, what: impl FnMut(&StreamStatus) -> bool) -> StreamStatus {
    let mut status = handle.status();
    let found = timeout(DEADLINE, status.wait_for(what)).await;
    found.expect("the expected status never occurred").expect("the stream is gone").clone()
}

fn total(live: &LiveStream) -> u64 {
    library().clips.len() as u64 - live.published()
}

/// Checks that each song was reported once, at its position.
#[track_caller]
fn check(events: &[Detection]) {
    let of = |kind| events.iter().filter(move |event| event.kind == kind).collect::<Vec<_>>();
    let (starts, finals) = (of(EventKind::Start), of(EventKind::Final));
    assert_eq!((starts.len(), finals.len()), (2, 2), "{events:?}");
    for (track, at) in [(1, SILENCE), (2, 2.0 * SILENCE + SECONDS)] {
        let one = finals.iter().find(|event| event.detected.track.0 == track).unwrap();
        assert!((one.detected.query_start - at).abs() < 0.5, "{one:?}");
        assert!((one.detected.query_end - at - SECONDS).abs() < 0.5, "{one:?}");
        assert!(starts.iter().any(|event| event.id == one.id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_urls_do_not_interrupt_an_airing() {
    let origin = Origin::start().await.unwrap();
    let master = |folder: &str| {
        format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,NAME=\"audio_only\"\n{folder}/index.m3u8\n")
    };
    let live = live(3, LiveOptions::default());
    origin.put("/m.m3u8", master("one"), "");
    origin.live("/one", &live);
    origin.live("/two", &live);
    let monitor = monitor(fast_settings());
    let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.url("/m.m3u8"));
    joined(&handle).await;
    live.publish(5);
    until(&handle, |status| status.airings.len() == 1).await;
    origin.put("/m.m3u8", master("two"), "");
    origin.fault("/one/*", Fault::Status(403), Times::Always);
    live.publish(total(&live));
    live.change(|options| options.end = true);
    let (status, events) = ended(&handle, &mut events_receiver).await;
    check(&events);
    assert!(matches!(status.state, StreamPhase::Ended(_)), "{:?}", status.state);
    assert!(status.source.resolutions >= 1 && status.decoder.gaps.total().count == 0, "{status:?}");
    assert_eq!((status.kind, status.is_over), (Some(SourceKind::Hls), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn rendition_without_decodable_audio_is_replaced() {
    let origin = Origin::start().await.unwrap();
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\none/index.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\ntwo/index.m3u8\n";
    origin.put("/m.m3u8", master, "");
    let silent: Vec<Clip> = library()
        .clips
        .iter()
        .map(|clip| Clip { bytes: b"no media at all".repeat(50).into(), seconds: clip.seconds })
        .collect();
    let options = LiveOptions { window: 1000, ..LiveOptions::default() };
    origin.live("/one", &LiveStream::manual(silent, 3, options.clone()));
    let live = live(3, options);
    origin.live("/two", &live);
    let monitor = monitor(fast_settings());
    let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.url("/m.m3u8"));
    let status = until(&handle, |status| status.source.rendition_changes == 1).await;
    assert_eq!(status.source.rendition.as_deref(), Some("2 bit/s"));
    let reason = status.source.rendition_reason.unwrap();
    assert_eq!(reason, "rendition \"1 bit/s\" failed: 3 consecutive segments cannot be decoded");
    assert_eq!(status.source.last_error, Some(reason));
    live.publish(total(&live));
    live.change(|options| options.end = true);
    let (status, events) = ended(&handle, &mut events_receiver).await;
    assert_eq!(events.iter().filter(|event| event.kind == EventKind::Final).count(), 2, "{events:?}");
    assert_eq!(status.source.rendition_changes, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_segments_do_not_change_events() {
    let origin = Origin::start().await.unwrap();
    let in_halves = |clip: &Clip| cut(clip, &[clip.bytes.len() / (2 * 188) * 188]);
    let parts = library().clips.iter().map(in_halves).collect();
    let options = LiveOptions { window: 1000, low_latency: true, ..LiveOptions::default() };
    let live = LiveStream::manual(Arc::clone(&library().clips), 3, options).parts(parts);
    let monitor = monitor(fast_settings());
    let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.live("/a", &live));
    joined(&handle).await;
    for detected in 4..20 {
        live.publish_parts(1);
        until(&handle, |status| status.decoder.segments == detected).await;
    }
    live.publish(total(&live));
    live.change(|options| options.end = true);
    let (status, events) = ended(&handle, &mut events_receiver).await;
    check(&events);
    assert_eq!((status.decoder.gaps.total().count, status.decoder.repeated_seconds), (0, 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn hls_and_radio_are_distinguished_by_the_beginning_of_the_response() {
    let origin = Origin::start().await.unwrap();
    origin.put("/sound", vec![0xFF; 2000], "audio/aac");
    let station = origin.url("/sound?token=secret");
    origin.put("/m3u", format!("#EXTM3U\n#EXTINF:-1,One\n{station}\n"), "audio/x-mpegurl");
    origin.put("/pls", format!("[playlist]\nFile1={station}\n"), "audio/x-scpls");
    origin.put(
        "/hls",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nx.ts\n#EXT-X-ENDLIST\n",
        "audio/x-mpegurl",
    );
    let monitor = monitor(fast_settings());
    for (path, kind) in [("/m3u", SourceKind::Radio), ("/pls", SourceKind::Radio), ("/hls", SourceKind::Hls)]
    {
        let (handle, _events_receiver) = start_stream(&monitor, path, &origin.url(path));
        let status = until(&handle, |status| status.kind.is_some()).await;
        assert_eq!(status.kind, Some(kind), "{path}");
        if kind == SourceKind::Radio {
            until(&handle, |status| status.source.bytes >= 2000).await;
        }
        handle.stop();
    }
    assert!(
        origin
            .requests()
            .iter()
            .any(|asked| asked.path == "/sound" && asked.headers.contains_key("icy-metadata"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn discontinuities_do_not_interrupt_an_airing_and_arrival_replaces_missing_dates() {
    let origin = Origin::start().await.unwrap();
    let broken = Marks { discontinuity: true, ..Marks::default() };
    let options = LiveOptions {
        dates: DateStyle::Absent,
        marks: [(5, broken.clone()), (8, broken)].into(),
        ..LiveOptions::default()
    };
    let live = live(3, options);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let monitor = monitor(fast_settings());
    let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.live("/live", &live));
    joined(&handle).await;
    live.publish(total(&live));
    live.change(|options| options.end = true);
    let (status, events) = ended(&handle, &mut events_receiver).await;
    check(&events);
    assert_eq!(status.decoder.discontinuities, 2);
    let event = &events[0];
    assert_eq!((event.clock, event.clock_offset), (Some(ClockSource::Arrival), None));
    // Three segments of 2 s were listed when the stream was joined, and the end of the last one was "now". A busy
    // machine joins later.
    let origin_epoch = event.epoch() - event.detected.query_start;
    assert!((-6.5..14.0).contains(&(origin_epoch - now)), "{}", origin_epoch - now);
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_stream_continues() {
    let origin = Origin::start().await.unwrap();
    let live = live(3, LiveOptions::default());
    let monitor = monitor(fast_settings());
    let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.live("/live", &live));
    let status = until(&handle, |status| status.state == StreamPhase::Stalled).await;
    assert!(status.lag().unwrap() > 0.0 && !status.is_over);
    assert_eq!(status.reason.as_deref(), Some("the playlist lists no new segments"));
    live.publish(total(&live));
    until(&handle, |status| status.state == StreamPhase::Live).await;
    // After `stop`, only the media that has arrived already is processed.
    until(&handle, |status| status.position > BROADCAST - 1.0).await;
    handle.stop();
    let (status, events) = ended(&handle, &mut events_receiver).await;
    check(&events);
    assert_eq!(status.state, StreamPhase::Ended(StreamEnd::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_stream_delays_no_other() {
    let origin = Origin::start().await.unwrap();
    let (slow, quick) = (live(3, LiveOptions::default()), live(3, LiveOptions::default()));
    let settings = MonitorSettings { threads: Some(1), ..fast_settings() };
    let monitor = monitor(settings);
    origin.fault("/slow/seg*", Fault::Trickle(Duration::from_millis(50)), Times::Always);
    let (slow_handle, mut slow_events) = start_stream(&monitor, "slow", &origin.live("/slow", &slow));
    let (handle, mut events_receiver) = start_stream(&monitor, "quick", &origin.live("/quick", &quick));
    joined(&handle).await;
    quick.publish(total(&quick));
    quick.change(|options| options.end = true);
    let (_, events) = ended(&handle, &mut events_receiver).await;
    check(&events);
    let status = slow_handle.status().borrow().clone();
    assert!(!status.is_over && status.decoder.frames == 0, "{status:?}");
    slow_handle.stop();
    let (status, events) = ended(&slow_handle, &mut slow_events).await;
    assert!(events.is_empty() && status.is_over);
}

#[tokio::test(flavor = "multi_thread")]
async fn excess_media_is_dropped_and_counted() {
    let origin = Origin::start().await.unwrap();
    let live = live(3, LiveOptions::default());
    let monitor = monitor(fast_settings());
    let (events, mut events_receiver) = mpsc::channel(1);
    let url = origin.live("/live", &live);
    let spec = StreamSpec::new("x", StreamInput::Url(url));
    let handle = monitor.start(spec, events);
    // Events are not received, so the second one blocks the processing. The list of clips repeats.
    joined(&handle).await;
    let count = 6 * library().clips.len() as u64;
    live.publish(count - live.published());
    let all = |status: &StreamStatus| status.source.pieces == count && status.queued_seconds > 30.0;
    until(&handle, all).await;
    live.change(|options| options.end = true);
    let (status, events) = ended(&handle, &mut events_receiver).await;
    let dropped = status.decoder.gaps.of(GapReason::Dropped).seconds;
    let length = 6.0 * BROADCAST;
    assert!(dropped > 60.0, "{dropped}");
    assert!(
        (dropped + status.decoder.seconds - length).abs() < 6.0,
        "{dropped} of {length} s dropped; {status:?}"
    );
    assert!((status.position - length).abs() < 6.0, "{}", status.position);
    assert!(events.len() >= 4, "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_recording_is_dropped() {
    let origin = Origin::start().await.unwrap();
    let count = 3 * library().clips.len() as u64;
    let options = LiveOptions { end: true, kind: Some("VOD"), ..LiveOptions::default() };
    let live = live(count, options);
    let monitor = monitor(fast_settings());
    let (handle, mut events_receiver) = start_stream(&monitor, "x", &origin.live("/live", &live));
    let (status, events) = ended(&handle, &mut events_receiver).await;
    assert_eq!(status.decoder.gaps.total().count, 0);
    assert!((status.position - 3.0 * BROADCAST).abs() < 3.0, "{}", status.position);
    assert_eq!(events.iter().filter(|event| event.kind == EventKind::Final).count(), 6);
}

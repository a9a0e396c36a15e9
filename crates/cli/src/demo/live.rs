//! Serves a live stream with one of the songs on this machine, and follows it like any other stream.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use refrain_catalog::Detection;
use refrain_monitor::{
    EventKind, FollowedIndex, Monitor, MonitorSettings, Reporter, SourceSettings, StreamInput, StreamSpec,
};
use refrain_stream::hls::HlsSettings;
use refrain_testkit::origin::{Clip, LiveOptions, LiveStream, Origin, pack};
use tokio::sync::mpsc;

use super::songs::DemoSong;
use crate::context::CommandContext;
use crate::identify::song;
use crate::monitor::event_line;
use crate::output::Output;
use crate::settings::Settings;

/// Factor by which the stream is published faster than in real time: its 30 s of audio take 7.5 s. With a factor of 2,
/// the demo takes 7.5 s longer. With 8, a slow machine prints events late, but loses no audio.
pub(super) const PLAYBACK_SPEED: u32 = 4;

/// Index in [`SONGS`](super::songs::SONGS) of the song that the stream contains.
pub(super) const SONG_INDEX: usize = 7;

/// The audio of the stream, 30 s of AAC: faint hiss, the song, faint hiss. `scripts/make-songs` creates it.
const RECORDING: &[u8] = include_bytes!("../../../../testdata/live/08-patient-corridor.aac");

/// Start and end of the song in [`RECORDING`], in seconds.
const SONG_RANGE_SECONDS: (f64, f64) = (3.0, 27.0);
/// Position in the full song at which the excerpt in [`RECORDING`] starts, in seconds.
const SONG_OFFSET_SECONDS: f64 = 6.0;

/// Maximum error of a correct start, end or position, in seconds. Without hiss, errors up to 0.5 s are normal (bench
/// `live`), and the hiss adds a little, so a limit of 0.5 s would report correct results as wrong. With 2 s, an end
/// that is wrong by a whole segment would count as correct.
const MAX_EDGE_ERROR_SECONDS: f64 = 1.0;

/// Duration of a segment in seconds, a common value for live streams. Longer segments delay the events; shorter ones
/// only cause more requests.
const SEGMENT_SECONDS: f64 = 2.0;

/// Serves the stream, follows it and prints each event. Returns true if the events are correct: the start and the end
/// of the played song.
pub(super) fn run(
    context: &CommandContext,
    settings: &Settings,
    played: &DemoSong,
    output: &Output,
) -> Result<bool> {
    // The stream matcher requires an index that follows the catalog, although the catalog does not change during the
    // demo.
    let follower = context.follow(context.index_sync(output)?, |_| ());
    let mut reporter = Reporter::new(context.catalog_handle());
    let events = context.wait(async {
        let origin = Origin::start().await.context("cannot start the server of the demo on 127.0.0.1")?;
        let monitor = Monitor::new(FollowedIndex::new(follower), fast_reload_settings(settings))?;
        let url = serve(&origin, pack(RECORDING, SEGMENT_SECONDS)?);
        output.line(&output.style().dim(&url))?;
        // One song causes two events, so the channel is never full.
        let (event_sender, mut event_receiver) = mpsc::channel(16);
        let handle = monitor.start(StreamSpec::new("demo", StreamInput::Url(url)), event_sender);
        let mut events = Vec::new();
        // The loop ends when the monitor drops the sender, which happens after the last event of the stream.
        while let Some(event) = event_receiver.recv().await {
            if let Some(track) = reporter.track(&event).await? {
                output.line(&event_line(&event, &track, output.style()))?;
                events.push((event, song(&track)));
            }
        }
        output.line(&output.style().dim(&format!("the stream has {}", handle.ended().await.state)))?;
        anyhow::Ok(events)
    })?;
    Ok(is_correct(&events, &played.title))
}

/// Publishes the segments one after the other and then ends the playlist. Returns the URL of the playlist.
fn serve(origin: &Origin, clips: Vec<Clip>) -> String {
    let count = clips.len() as u64;
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    // The playlist keeps all segments, so that a slow machine misses none.
    let options = LiveOptions { window: clips.len(), epoch, ..LiveOptions::default() };
    let live = LiveStream::manual(clips, 1, options).extension("aac");
    let url = origin.live("/live", &live);
    tokio::spawn(async move {
        // The first segment is published already, so the playlist is never empty.
        for _ in 1..count {
            tokio::time::sleep(Duration::from_secs_f64(SEGMENT_SECONDS / f64::from(PLAYBACK_SPEED))).await;
            live.publish(1);
        }
        live.change(|options| options.end = true);
    });
    url
}

/// Returns settings that reload the playlist several times per second. The interval that the playlist itself suggests
/// is too long, because the stream is published faster than in real time.
fn fast_reload_settings(settings: &Settings) -> MonitorSettings {
    let (min_interval, max_interval) = (Duration::from_millis(100), Duration::from_millis(250));
    // The monitor starts at the first segment, even if a busy machine begins late.
    let hls = HlsSettings {
        reload: (min_interval, max_interval),
        start_segments_back: usize::MAX,
        ..HlsSettings::default()
    };
    MonitorSettings {
        threads: Some(settings.jobs),
        live: settings.live(),
        source: SourceSettings { hls, ..SourceSettings::default() },
        ..MonitorSettings::default()
    }
}

/// Returns true if the events are exactly the start and the end of one airing of the song, with the right times.
fn is_correct(events: &[(Detection, String)], title: &str) -> bool {
    let [(start, first), (last, second)] = events else { return false };
    let is_near = |a: f64, b: f64| (a - b).abs() <= MAX_EDGE_ERROR_SECONDS;
    let detected = &last.detected;
    (start.kind, last.kind) == (EventKind::Start, EventKind::Final)
        // Two airings would mean that the monitor lost the song in the middle.
        && start.id == last.id
        && (first.as_str(), second.as_str()) == (title, title)
        && is_near(detected.query_start, SONG_RANGE_SECONDS.0)
        && is_near(detected.query_end, SONG_RANGE_SECONDS.1)
        && is_near(
            detected.reference_start,
            // If the match starts a little late in the stream, it also starts later in the song, by the same time.
            SONG_OFFSET_SECONDS + detected.query_start - SONG_RANGE_SECONDS.0,
        )
}

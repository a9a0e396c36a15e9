//! One of the songs as a live stream: served on this machine, followed like anybody's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use refrain_service::monitor::{
    EventKind, FollowedIndex, Monitor, MonitorSettings, Reporter, SourceSettings, StreamEvent, StreamInput,
    StreamSpec,
};
use refrain_stream::hls::HlsSettings;
use refrain_testkit::origin::{Clip, LiveOptions, LiveStream, Origin, pack};
use tokio::sync::mpsc;

use super::songs::Song;
use crate::identify::song;
use crate::monitor::event_line;
use crate::output::Output;
use crate::settings::Settings;
use crate::store::Store;

/// How many times as fast the stream is told as it is heard: nobody is to wait for half a minute.
pub(super) const FASTER: u32 = 4;

/// Which of the songs it holds.
pub(super) const SONG: usize = 7;

/// 30 s of AAC: faint hiss, the song, faint hiss (`scripts/make-songs`).
const RECORDING: &[u8] = include_bytes!("../../../../testdata/live/08-patient-corridor.aac");

/// Where the song is in it, and where in the song that is, seconds.
const PLAYED: (f64, f64) = (3.0, 27.0);
const FROM: f64 = 6.0;

/// An edge counts as right within so much, seconds.
const EDGE: f64 = 1.0;

/// Length of a segment, seconds.
const SEGMENT: f64 = 2.0;

/// Serves the stream, follows it, and prints each event when it comes. Whether they are what was played.
pub(super) fn run(store: &Store, settings: &Settings, played: &Song, output: &Output) -> Result<bool> {
    let follower = store.follow(store.library(output)?, |_| ());
    let mut reporter = Reporter::new(store.shared_catalog());
    let events = store.wait(async {
        let origin = Origin::start().await.context("cannot serve on 127.0.0.1")?;
        let monitor = Monitor::new(FollowedIndex::new(follower), hasty(settings))?;
        let url = serve(&origin, pack(RECORDING, SEGMENT)?);
        output.line(&output.style().dim(&url))?;
        let (tell, mut told) = mpsc::channel(16);
        let handle = monitor.start(StreamSpec::new("demo", StreamInput::Url(url)), tell);
        let mut events = Vec::new();
        while let Some(event) = told.recv().await {
            if let Some(track) = reporter.track(&event).await? {
                output.line(&event_line(&event, &track, output.style()))?;
                events.push((event, song(&track)));
            }
        }
        output.line(&output.style().dim(&format!("the stream has {}", handle.ended().await.state)))?;
        anyhow::Ok(events)
    })?;
    Ok(is_right(&events, &played.title))
}

/// Tells a segment after the other, and then that it was the last.
fn serve(origin: &Origin, clips: Vec<Clip>) -> String {
    let count = clips.len() as u64;
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let options = LiveOptions { window: clips.len(), epoch, ..LiveOptions::default() };
    let live = LiveStream::manual(clips, 1, options).extension("aac");
    let url = origin.live("/live", &live);
    tokio::spawn(async move {
        for _ in 1..count {
            tokio::time::sleep(Duration::from_secs_f64(SEGMENT / f64::from(FASTER))).await;
            live.publish(1);
        }
        live.change(|options| options.end = true);
    });
    url
}

/// A playlist that is told faster than it is heard has to be asked for more often than it says.
fn hasty(settings: &Settings) -> MonitorSettings {
    let (often, seldom) = (Duration::from_millis(100), Duration::from_millis(250));
    // However busy the machine is, from the first segment on.
    let hls =
        HlsSettings { reload: (often, seldom), start_segments_back: usize::MAX, ..HlsSettings::default() };
    MonitorSettings {
        threads: Some(settings.jobs),
        live: settings.live(),
        source: SourceSettings { hls, ..SourceSettings::default() },
        ..MonitorSettings::default()
    }
}

/// Whether it is one airing of the song, with its ends.
fn is_right(events: &[(StreamEvent, String)], title: &str) -> bool {
    let [(start, first), (last, second)] = events else { return false };
    let near = |a: f64, b: f64| (a - b).abs() <= EDGE;
    let heard = &last.heard;
    (start.kind, last.kind) == (EventKind::Start, EventKind::Final)
        && start.airing == last.airing
        && (first.as_str(), second.as_str()) == (title, title)
        && near(heard.query_start, PLAYED.0)
        && near(heard.query_end, PLAYED.1)
        && near(heard.reference_start, FROM + heard.query_start - PLAYED.0)
}

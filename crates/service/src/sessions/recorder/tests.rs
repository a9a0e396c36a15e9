use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use refrain_catalog::{
    AddOutcome, Catalog, ContentHash, Detection, DetectionId, DetectionSource, Metadata, NewStream, NewTrack,
    OutboxFilter, SessionKey, StoredDetection, TrackId, TrackNumber,
};
use refrain_core::matching::Match;
use refrain_core::matching::live::EventKind;

use super::{EarlierRecords, RecordedSession, Recorder, RecorderContext};
use crate::clock::{Clock, ManualClock};
use crate::counters::Counters;
use crate::delivery::OutboxPlanner;
use crate::sessions::{Dedup, RedecodedDetections, ReportedDetections};
use crate::settings::{DetectionOrigin, SinkFormat, SinkKind, SinkSettings};

/// Time of day of the session's first sample, seconds since 1970.
const EPOCH: f64 = 1_700_000_000.0;

/// A catalog with two songs, and a recorder of the session `s` for each kind of deduplication.
struct RecorderTest {
    _folder: tempfile::TempDir,
    catalog: Arc<dyn Catalog>,
    counters: Arc<Counters>,
    clock: Arc<ManualClock>,
}

impl RecorderTest {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("catalog.db").display());
        let catalog = refrain_catalog::open(&url).await.unwrap();
        for n in 1..=2_u8 {
            let song = NewTrack {
                id: Some(track_id(n)),
                source: format!("song {n}.wav"),
                content: ContentHash([n; 32]),
                seconds: 30.0,
                metadata: Metadata { title: Some(format!("Song {n}")), ..Metadata::default() },
                rule: None,
                constellation: vec![n; 10],
            };
            assert!(matches!(catalog.add(song).await.unwrap(), AddOutcome::Added(_)));
        }
        Self { _folder: folder, catalog, counters: Arc::default(), clock: Arc::default() }
    }

    fn recorder(&self, dedup: Dedup) -> Recorder {
        self.recorder_at(dedup, Some(EPOCH))
    }

    /// Returns a recorder of a session whose first sample has the time `epoch`.
    fn recorder_at(&self, dedup: Dedup, epoch: Option<f64>) -> Recorder {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let context = RecorderContext {
            catalog: Arc::clone(&self.catalog),
            planner: OutboxPlanner::new(&sinks()),
            counters: Arc::clone(&self.counters),
            clock,
            events: vec![EventKind::Start, EventKind::Final],
            owner: "one".to_owned(),
        };
        let is_live = matches!(dedup, Dedup::Reported(_));
        let session = RecordedSession {
            key: SessionKey { id: "s".to_owned(), started_at: 1 },
            name: "s".to_owned(),
            detected_in: "s".to_owned(),
            channel: None,
            origin: if is_live { DetectionOrigin::Live } else { DetectionOrigin::Archive },
            epoch,
        };
        Recorder::new(context, session, EarlierRecords { open: &[], tracks: &[], begins: true, dedup })
    }

    async fn rows(&self) -> Vec<StoredDetection> {
        let detected_in = DetectionSource::Stream("s".to_owned());
        self.catalog.journal().detections_between(&detected_in, 0, i64::MAX, None, 1_000).await.unwrap()
    }

    /// Returns the sink, the name and the payload of all messages.
    async fn messages(&self) -> Vec<(String, String, String)> {
        let all = self.catalog.journal().deliveries(&OutboxFilter::default(), None, 1_000).await.unwrap();
        all.into_iter().map(|message| (message.sink, message.key, message.payload)).collect()
    }
}

/// Returns the id of the song with this number.
fn track_id(number: u8) -> TrackId {
    TrackId(uuid::Uuid::from_u128(u128::from(number)))
}

fn sinks() -> [SinkSettings; 2] {
    let sink = |name: &str, format| SinkSettings {
        name: name.to_owned(),
        kind: SinkKind::Stdout,
        from: vec![DetectionOrigin::Live, DetectionOrigin::Archive],
        format,
    };
    [sink("all", SinkFormat::Response), sink("song", SinkFormat::Song)]
}

fn policies() -> [Dedup; 2] {
    [
        Dedup::Reported(ReportedDetections::of(Vec::new(), Vec::new())),
        Dedup::Redecoded(RedecodedDetections::of(Vec::new())),
    ]
}

/// An event of an airing that began `start` seconds after the start of the session and was known for `length` seconds.
fn event(id: DetectionId, kind: EventKind, track: u32, start: f64, length: f64) -> Detection {
    Detection {
        id,
        kind,
        detected: Match {
            track: TrackNumber(track),
            query_start: start,
            query_end: start + length,
            reference_start: 0.0,
            speed: 1.0,
            pitch_cents: 0.0,
            false_positive_probability: 0.0,
            aligned_landmarks: 9,
            expected_peaks: 10,
            matched_peaks: 9,
            segments: Vec::new(),
        },
        reference_end: length,
        current_speed: 1.0,
        origin: EPOCH,
        known_at: start + length,
        clock: None,
        clock_offset: None,
        missing_seconds: 0.0,
    }
}

/// Returns the events of airings that follow each other. Each has a track, a length, and 0 to 2 updates.
fn events(airings: &[(u32, f64, u8)]) -> Vec<Detection> {
    let mut all = Vec::new();
    for (number, (track, length, updates)) in airings.iter().enumerate() {
        let (id, start) = (DetectionId::generate(), number as f64 * 100.0);
        all.push(event(id, EventKind::Start, *track, start, 3.0));
        all.extend((0..*updates).map(|n| event(id, EventKind::Update, *track, start, 4.0 + f64::from(n))));
        all.push(event(id, EventKind::Final, *track, start, *length));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Live streams and segments store the same rows and messages for the same events, even if events are passed again,
    /// as after an error whose write was stored.
    #[test]
    fn both_policies_store_the_same(
        airings in proptest::collection::vec((1..3_u32, 10.0..30.0_f64, 0..3_u8), 1..6),
        again in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let events = events(&airings);
        let mut stored = Vec::new();
        for dedup in policies() {
            let found = runtime.block_on(async {
                let fixture = RecorderTest::new().await;
                let mut recorder = fixture.recorder(dedup);
                for (n, event) in events.iter().enumerate() {
                    fixture.clock.set((EPOCH * 1000.0) as i64 + n as i64 * 1_000);
                    for _ in 0..=usize::from(again[n] && event.kind != EventKind::Start) {
                        assert!(recorder.record(event.clone(), fixture.clock.local()).await.unwrap());
                    }
                }
                (fixture.rows().await, fixture.messages().await, fixture.counters.airings.get())
            });
            prop_assert!(found.0.iter().all(|row| row.detection.is_final()));
            prop_assert_eq!((found.0.len(), found.2), (airings.len(), airings.len() as u64));
            let finals = found.1.iter().filter(|(sink, name, _)| sink == "all" && name.contains("final"));
            prop_assert_eq!(finals.count(), airings.len());
            stored.push(found);
        }
        let (one, other) = (&stored[0], &stored[1]);
        prop_assert_eq!(&one.0, &other.0);
        prop_assert_eq!(&one.1, &other.1);
    }
}

#[tokio::test]
async fn recorder_without_the_lease_stores_nothing() {
    for dedup in policies() {
        let fixture = RecorderTest::new().await;
        let new = NewStream {
            id: "s".to_owned(),
            url: "http://x".to_owned(),
            origin: "api".to_owned(),
            session: None,
            started_at: 1,
        };
        let journal = fixture.catalog.journal();
        journal.start_stream(&new).await.unwrap();
        journal.claim_streams("other", 1, Duration::from_secs(60)).await.unwrap();
        let mut recorder = fixture.recorder(dedup);
        for event in events(&[(1, 20.0, 1)]) {
            assert!(!recorder.record(event, fixture.clock.local()).await.unwrap());
        }
        recorder.record_progress(60.0).await.unwrap();
        assert_eq!((fixture.rows().await, fixture.messages().await), (Vec::new(), Vec::new()));
        assert_eq!(fixture.counters.airings.get(), 0);
    }
}

#[tokio::test]
async fn detection_that_cannot_be_stored_changes_nothing() {
    for dedup in policies() {
        let fixture = RecorderTest::new().await;
        let mut recorder = fixture.recorder(dedup);
        let mut invalid = event(DetectionId::generate(), EventKind::Start, 1, 5.0, 3.0);
        invalid.detected.speed = f64::NAN;
        assert!(recorder.record(invalid, fixture.clock.local()).await.unwrap());
        assert_eq!(fixture.counters.airings.get(), 0);
        recorder.record_progress(60.0).await.unwrap();
        let messages = fixture.messages().await;
        assert_eq!(messages.len(), 1, "the session begins without a song: {messages:?}");
    }
}

#[tokio::test]
async fn airing_in_redecoded_segments_keeps_its_row() {
    let fixture = RecorderTest::new().await;
    let all = events(&[(1, 20.0, 0)]);
    let mut first = fixture.recorder(Dedup::Redecoded(RedecodedDetections::default()));
    assert!(first.record(all[0].clone(), fixture.clock.local()).await.unwrap());
    let known = fixture.rows().await;
    let mut next = fixture.recorder(Dedup::Redecoded(RedecodedDetections::of(known.clone())));
    for event in events(&[(1, 20.0, 0)]) {
        assert!(next.record(event, fixture.clock.local()).await.unwrap());
    }
    let rows = fixture.rows().await;
    assert_eq!(
        (rows.len(), rows[0].detection.id, rows[0].detection.is_final()),
        (1, known[0].detection.id, true)
    );
    assert_eq!(rows[0].first_seen, known[0].first_seen);
}

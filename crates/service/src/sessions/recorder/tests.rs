use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use refrain_catalog::{
    AddOutcome, Catalog, ContentHash, Detection, DetectionId, DetectionSource, Metadata, NewStream, NewTrack,
    OutboxFilter, SessionKey, StoredDetection, Stream, StreamReport, StreamState, TrackId, TrackNumber,
};
use refrain_core::matching::Match;
use refrain_core::matching::live::EventKind;

use super::{EarlierRecords, RecordedSession, Recorder, RecorderContext};
use crate::clock::{Clock, ManualClock};
use crate::counters::Counters;
use crate::delivery::OutboxPlanner;
use crate::sessions::{ReportedDetections, SessionBatch, SessionKind};
use crate::settings::{DetectionOrigin, SinkFormat, SinkKind, SinkSettings};

/// Time of day of the session's first sample, seconds since 1970.
const EPOCH: f64 = 1_700_000_000.0;

/// Owner of the lease.
const OWNER: &str = "one";

/// A catalog with two songs, and the claimed session `s`.
pub(crate) struct RecorderTest {
    _folder: tempfile::TempDir,
    catalog: Arc<dyn Catalog>,
    pub(crate) counters: Arc<Counters>,
    clock: Arc<ManualClock>,
    key: SessionKey,
}

impl RecorderTest {
    pub(crate) async fn new() -> Self {
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
        let new = NewStream {
            id: "s".to_owned(),
            url: "http://x".to_owned(),
            headers: None,
            origin: "api".to_owned(),
            session: None,
            started_at: 1,
        };
        catalog.journal().start_stream(&new).await.unwrap();
        let claimed = catalog.journal().claim_streams(OWNER, 1, Duration::from_secs(60)).await.unwrap();
        let (counters, clock) = (Arc::default(), Arc::default());
        Self { _folder: folder, catalog, counters, clock, key: claimed[0].key() }
    }

    /// Returns a recorder of a session of this kind.
    pub(crate) fn recorder(&self, kind: SessionKind) -> Recorder {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let context = RecorderContext {
            catalog: Arc::clone(&self.catalog),
            planner: OutboxPlanner::new(&sinks()),
            counters: Arc::clone(&self.counters),
            clock,
            events: vec![EventKind::Start, EventKind::Final],
            owner: OWNER.to_owned(),
        };
        let is_live = kind == SessionKind::Live;
        let session = RecordedSession {
            key: self.key.clone(),
            name: "s".to_owned(),
            detected_in: "s".to_owned(),
            channel: None,
            origin: if is_live { DetectionOrigin::Live } else { DetectionOrigin::Archive },
        };
        let reported = is_live.then(ReportedDetections::default);
        Recorder::new(context, session, EarlierRecords { open: &[], tracks: &[], begins: true, reported })
    }

    /// Makes another worker claim the session.
    pub(crate) async fn claim_by_another(&self) {
        let journal = self.catalog.journal();
        journal.renew_leases(OWNER, Duration::ZERO).await.unwrap();
        assert_eq!(journal.claim_streams("other", 1, Duration::from_secs(60)).await.unwrap().len(), 1);
    }

    /// Returns the row of the session.
    pub(crate) async fn row(&self) -> Stream {
        self.catalog.journal().stream("s").await.unwrap().unwrap()
    }

    /// Returns a batch of these events, each decided at the current time.
    pub(crate) fn batch(&self, events: &[Detection]) -> SessionBatch {
        let at = self.clock.local();
        let detections = events.iter().map(|event| (event.clone(), at)).collect();
        SessionBatch { detections, ..SessionBatch::default() }
    }

    pub(crate) async fn rows(&self) -> Vec<StoredDetection> {
        let detected_in = DetectionSource::Stream("s".to_owned());
        self.catalog.journal().detections_between(&detected_in, 0, i64::MAX, None, 1_000).await.unwrap()
    }

    /// Returns the sink, the name and the payload of all messages.
    pub(crate) async fn messages(&self) -> Vec<(String, String, String)> {
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

/// A report that the session is live, with a position.
pub(crate) fn live_report() -> StreamReport {
    let progress = Some("7".to_owned());
    StreamReport { state: StreamState::Live, reason: None, at: 5, epoch: None, clock_anchor: None, progress }
}

/// An event of an airing that began `start` seconds after the start of the session and was known for `length` seconds.
pub(crate) fn event(id: DetectionId, kind: EventKind, track: u32, start: f64, length: f64) -> Detection {
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
pub(crate) fn events(airings: &[(u32, f64, u8)]) -> Vec<Detection> {
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

    /// Both kinds of sessions store the same rows and messages for the same events, in batches of any size, even if
    /// batches are passed again, as after an error whose write was stored.
    #[test]
    fn batches_of_any_size_store_the_same(
        airings in proptest::collection::vec((1..3_u32, 10.0..30.0_f64, 0..3_u8), 1..6),
        sizes in proptest::collection::vec(1..6_usize, 24),
        again in proptest::collection::vec(any::<bool>(), 24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let events = events(&airings);
        let mut stored = Vec::new();
        for kind in [SessionKind::Live, SessionKind::Segments] {
            for sizes in [vec![1; 24], sizes.clone()] {
                stored.push(runtime.block_on(async {
                    let test = RecorderTest::new().await;
                    let mut recorder = test.recorder(kind);
                    let mut left = events.as_slice();
                    for (size, again) in sizes.iter().zip(&again) {
                        let (events, later) = left.split_at(left.len().min(*size));
                        left = later;
                        let is_repeatable = events.iter().all(|event| event.kind != EventKind::Start);
                        for _ in 0..=usize::from(*again && is_repeatable) {
                            assert!(recorder.record(&test.batch(events)).await.unwrap());
                        }
                    }
                    assert_eq!(left, []);
                    let rows = test.rows().await.into_iter();
                    // Times of day depend on the transaction.
                    let rows: Vec<_> = rows.map(|row| StoredDetection { first_seen: 0, last_seen: 0, ..row }).collect();
                    (rows, test.messages().await, test.counters.airings.get())
                }));
            }
        }
        for (rows, messages, count) in &stored {
            prop_assert!(rows.iter().all(|row| row.detection.is_final()));
            prop_assert_eq!((rows.len(), *count), (airings.len(), airings.len() as u64));
            let finals = messages.iter().filter(|(sink, name, _)| sink == "all" && name.contains("final"));
            prop_assert_eq!(finals.count(), airings.len());
            prop_assert_eq!((rows, messages), (&stored[0].0, &stored[0].1));
        }
    }
}

#[tokio::test]
async fn batch_is_stored_with_the_report_or_not_at_all() {
    for kind in [SessionKind::Live, SessionKind::Segments] {
        let test = RecorderTest::new().await;
        let mut recorder = test.recorder(kind);
        let batch = SessionBatch { report: Some(live_report()), ..test.batch(&events(&[(1, 20.0, 1)])) };
        test.claim_by_another().await;
        assert!(!recorder.record(&batch).await.unwrap());
        let silence = SessionBatch { seconds: 60.0, ..SessionBatch::default() };
        assert!(!recorder.record(&silence).await.unwrap());
        assert_eq!((test.rows().await, test.messages().await), (Vec::new(), Vec::new()));
        let row = test.row().await;
        assert_eq!((row.state, row.progress, test.counters.airings.get()), (StreamState::Starting, None, 0));

        let test = RecorderTest::new().await;
        let mut recorder = test.recorder(kind);
        assert!(recorder.record(&batch).await.unwrap());
        let row = test.row().await;
        assert_eq!((row.state, row.progress.as_deref()), (StreamState::Live, Some("7")));
        assert_eq!((test.rows().await.len(), test.counters.airings.get()), (1, 1));
    }
}

#[tokio::test]
async fn detection_that_cannot_be_stored_changes_nothing() {
    for kind in [SessionKind::Live, SessionKind::Segments] {
        let test = RecorderTest::new().await;
        let mut recorder = test.recorder(kind);
        let mut invalid = event(DetectionId::generate(), EventKind::Start, 1, 5.0, 3.0);
        invalid.detected.speed = f64::NAN;
        assert!(recorder.record(&test.batch(&[invalid])).await.unwrap());
        assert_eq!(test.counters.airings.get(), 0);
        let silence = SessionBatch { seconds: 60.0, ..SessionBatch::default() };
        for _ in 0..2 {
            assert!(recorder.record(&silence).await.unwrap());
        }
        let messages = test.messages().await;
        assert_eq!(messages.len(), 1, "the session begins without a song: {messages:?}");
    }
}

#[tokio::test]
async fn repeated_airing_in_a_batch_is_dropped() {
    let test = RecorderTest::new().await;
    let mut recorder = test.recorder(SessionKind::Live);
    // The same song at the same position, as after the restart of a decoder.
    let twice = [events(&[(1, 20.0, 0)]), events(&[(1, 20.0, 0)])].concat();
    assert!(recorder.record(&test.batch(&twice)).await.unwrap());
    assert_eq!((test.rows().await.len(), test.counters.airings.get()), (1, 1));
}

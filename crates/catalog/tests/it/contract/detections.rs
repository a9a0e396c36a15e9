//! Detections of tracks in streams and files.

use refrain_catalog::{
    CatalogError, Detection, DetectionId, DetectionSource, Journal, NewOutboxMessage, PageCursor,
    StoredDetection,
};
use refrain_core::audio::ClockSource;
use refrain_core::matching::live::EventKind;
use refrain_core::matching::{Match, Segment};

use super::*;

pub(crate) fn stream(id: &str) -> DetectionSource {
    DetectionSource::Stream(id.into())
}

pub(crate) fn detection(
    n: u128,
    detected_in: DetectionSource,
    start_at: i64,
    end_at: i64,
) -> StoredDetection {
    let (query_start, query_end) = (start_at as f64 / 1000.0, end_at as f64 / 1000.0);
    let segment = |query_start, query_end, reference_start| Segment {
        query_start,
        query_end,
        reference_start,
        speed: 1.021,
    };
    let detected = Match {
        track: TrackNumber(7),
        query_start,
        query_end,
        reference_start: 12.5,
        speed: 1.02,
        pitch_cents: -34.2,
        false_positive_probability: 1e-300,
        aligned_landmarks: 77,
        matched_peaks: 400,
        expected_peaks: u32::MAX,
        segments: vec![
            segment(query_start, query_start + 0.1, 12.5),
            segment(query_start + 0.1, query_end, 19.123_456_789),
        ],
    };
    let detection = Detection {
        id: DetectionId(uuid::Uuid::from_u128(n)),
        kind: EventKind::Update,
        detected,
        reference_end: 99.1,
        current_speed: 1.019,
        origin: 0.0,
        known_at: query_end + 0.3,
        clock: Some(ClockSource::Arrival),
        clock_offset: Some(7.1),
        missing_seconds: 4.2,
    };
    StoredDetection {
        detection,
        detected_in,
        track_id: id(77),
        channel: Some("arn:channel".into()),
        first_seen: start_at,
        last_seen: end_at,
    }
}

/// Returns a changed copy of a detection.
pub(crate) fn changed(of: &StoredDetection, change: impl FnOnce(&mut StoredDetection)) -> StoredDetection {
    let mut copy = of.clone();
    change(&mut copy);
    copy
}

/// Returns the final state of a detection.
pub(crate) fn ended(of: &StoredDetection) -> StoredDetection {
    changed(of, |stored| stored.detection.kind = EventKind::Final)
}

async fn recorded(journal: &dyn Journal, detection: &StoredDetection) {
    assert!(journal.record(detection, &[], detection.last_seen).await.unwrap());
}

pub(crate) async fn between(
    journal: &dyn Journal,
    detected_in: &DetectionSource,
    from: i64,
    to: i64,
) -> Vec<StoredDetection> {
    journal.detections_between(detected_in, from, to, None, 10_000).await.unwrap()
}

fn numbers(detections: &[StoredDetection]) -> Vec<u128> {
    detections.iter().map(|stored| stored.detection.id.0.as_u128()).collect()
}

/// Pseudorandom numbers, the same in each run.
fn noise(n: i64, below: i64) -> i64 {
    let mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) as i64 % below
}

pub(crate) async fn an_airing_is_one_row_from_start_to_end(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let start = detection(1, stream("a"), 10_000, 15_000);
    recorded(journal, &start).await;
    assert_eq!(between(journal, &stream("a"), 0, 99_000).await, std::slice::from_ref(&start));
    assert_eq!(journal.detections_of_track(id(77), None, 9).await.unwrap(), std::slice::from_ref(&start));
    let update = changed(&start, |stored| {
        stored.detection = Detection {
            detected: Match {
                track: TrackNumber(8),
                query_start: 9.5,
                query_end: 30.0,
                reference_start: 12.0,
                speed: 1.0,
                pitch_cents: 0.0,
                false_positive_probability: 0.0,
                aligned_landmarks: 78,
                matched_peaks: 401,
                expected_peaks: 402,
                segments: Vec::new(),
            },
            reference_end: 32.4,
            current_speed: 1.0,
            origin: 1.7e9 + 0.123_456,
            known_at: 31.0,
            clock: Some(ClockSource::ProgramDateTime),
            clock_offset: None,
            missing_seconds: 5.0,
            ..stored.detection
        };
        (stored.track_id, stored.first_seen, stored.last_seen) = (id(88), 30_000, 30_000);
    });
    recorded(journal, &update).await;
    let stored = changed(&update, |stored| stored.first_seen = 10_000);
    assert_eq!(between(journal, &stream("a"), 0, i64::MAX).await, std::slice::from_ref(&stored));
    assert_eq!(journal.detections_of_track(id(77), None, 9).await.unwrap(), []);
    let at_end = |of| {
        changed(&ended(of), |stored| {
            stored.detection.detected.query_end = 31.0;
            stored.last_seen = 35_000;
        })
    };
    recorded(journal, &at_end(&update)).await;
    let stored = at_end(&stored);
    assert_eq!(storage.open().await.journal().detections_of_track(id(88), None, 9).await.unwrap(), [stored]);
}

pub(crate) async fn an_older_state_does_not_replace_a_newer_one(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let message = |key: &str| {
        [NewOutboxMessage { sink: "hook".into(), key: key.into(), payload: format!("{{\"key\":\"{key}\"}}") }]
    };
    let first = detection(1, stream("a"), 10_000, 20_000);
    assert!(journal.record(&first, &message("start"), 20_000).await.unwrap());
    let older = changed(&first, |stored| {
        (stored.last_seen, stored.detection.detected.matched_peaks) = (19_999, 1);
    });
    assert!(!journal.record(&older, &message("older"), 20_001).await.unwrap());
    let end = ended(&first);
    // Recorded twice, as by a worker that does not know if its first call succeeded.
    assert!(journal.record(&end, &message("end"), 20_002).await.unwrap());
    assert!(journal.record(&end, &message("end"), 20_003).await.unwrap());
    let reopened = changed(&first, |stored| stored.last_seen = 50_000);
    assert!(!journal.record(&reopened, &message("again"), 50_000).await.unwrap());
    assert_eq!(between(journal, &stream("a"), 0, 99_000).await, std::slice::from_ref(&end));
    let messages = journal.claim_deliveries("hook", 9, super::leases::HOUR).await.unwrap();
    let reported: Vec<_> = messages.iter().map(|m| (m.key.as_str(), m.detection, m.created_at)).collect();
    assert_eq!(
        reported,
        [("start", Some(end.detection.id), 20_000), ("end", Some(end.detection.id), 20_002)]
    );
}

pub(crate) async fn detections_are_found_by_overlap(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    for (n, from, to) in [(1, 100, 200), (2, 200, 300), (3, 250, 250), (4, 150, 9000), (5, 5000, 5001)] {
        recorded(journal, &detection(n, stream("a"), from, to)).await;
    }
    recorded(journal, &detection(6, stream("b"), 100, 9000)).await;
    recorded(journal, &detection(7, DetectionSource::File("a".into()), 100, 9000)).await;
    for (from, to, want) in [
        (0, 100, &[][..]),
        (0, 101, &[1]),
        (199, 200, &[1, 4]),
        (200, 201, &[4, 2]),
        (250, 251, &[4, 2]),
        (249, 251, &[4, 2, 3]),
        (299, 300, &[4, 2]),
        (8999, 9000, &[4]),
        (9000, 20_000, &[]),
        (5000, 5000, &[4]),
        (300, 100, &[]),
        (i64::MIN, i64::MAX, &[1, 4, 2, 3, 5]),
        (i64::MIN, i64::MIN, &[]),
        (i64::MAX, i64::MAX, &[]),
    ] {
        assert_eq!(numbers(&between(journal, &stream("a"), from, to).await), want, "{from} to {to}");
    }
    assert_eq!(numbers(&between(journal, &DetectionSource::File("a".into()), 0, 200).await), [7]);
    assert_eq!(between(journal, &stream("c"), 0, 9000).await, []);
}

pub(crate) async fn overlap_queries_agree_with_a_linear_scan(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let mut all = Vec::new();
    for n in 0..150 {
        let start = noise(n, 10_000);
        let length = noise(n + 1000, if n % 20 == 0 { 3000 } else { 200 });
        all.push(detection(n as u128, stream("a"), start, start + length));
    }
    for detection in &all {
        recorded(journal, detection).await;
    }
    all.sort_by_key(|stored| (stored.detection.start_at(), stored.detection.id));
    for n in 0..100 {
        let from = noise(n + 2000, 11_000) - 500;
        let to = from + noise(n + 3000, 400);
        let mut want = all.clone();
        want.retain(|stored| stored.detection.start_at() < to && stored.detection.end_at() > from);
        assert_eq!(between(journal, &stream("a"), from, to).await, want, "{from} to {to}");
    }
}

pub(crate) async fn pages_of_detections_are_complete(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    for n in 0..25 {
        // Five detections each have the same time.
        let at = 1000 * ((n * 7) % 25 / 5);
        recorded(journal, &detection(n as u128 + 1, stream("a"), at, at + 10_000)).await;
    }
    let other = changed(&detection(99, stream("z"), 0, 9000), |stored| stored.track_id = id(1));
    recorded(journal, &other).await;
    let all = between(journal, &stream("a"), 0, 99_000).await;
    let key = |stored: &StoredDetection| (stored.detection.start_at(), stored.detection.id);
    assert!(all.len() == 25 && all.is_sorted_by(|a, b| key(a) < key(b)));
    for limit in [1, 3, 5, 24, 25, u32::MAX] {
        let (mut forth, mut back) = (Vec::new(), Vec::new());
        loop {
            let after: Option<PageCursor> = forth.last().map(StoredDetection::cursor_by_start);
            let page = journal.detections_between(&stream("a"), 0, 99_000, after, limit).await.unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.len() as u64 <= u64::from(limit));
            forth.extend(page);
        }
        loop {
            let before = back.last().map(StoredDetection::cursor_by_first_seen);
            let page = journal.detections_of_track(id(77), before, limit).await.unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.len() as u64 <= u64::from(limit));
            back.extend(page);
        }
        assert_eq!(forth, all, "pages of {limit}");
        back.reverse();
        assert_eq!(back, all, "pages of {limit}");
    }
    assert_eq!(journal.detections_of_track(id(77), None, 0).await.unwrap(), []);
}

pub(crate) async fn open_detections_are_listed_until_they_are_final(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let late = detection(1, stream("a"), 20_000, 30_000);
    let early = detection(2, stream("a"), 10_000, 15_000);
    let over = ended(&detection(3, stream("a"), 1000, 2000));
    for detection in [&late, &early, &over, &detection(4, stream("b"), 1000, 2000)] {
        recorded(journal, detection).await;
    }
    assert_eq!(journal.open_detections(&stream("a")).await.unwrap(), [early.clone(), late.clone()]);
    recorded(journal, &ended(&early)).await;
    assert_eq!(journal.open_detections(&stream("a")).await.unwrap(), [late]);
    assert_eq!(journal.open_detections(&DetectionSource::File("a".into())).await.unwrap(), []);
}

pub(crate) async fn invalid_detections_are_rejected(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let valid = detection(1, stream("a"), 10_000, 20_000);
    for invalid in [
        changed(&valid, |stored| stored.detection.detected.query_end = 9.9),
        changed(&valid, |stored| stored.detection.detected.query_start = f64::NAN),
        changed(&valid, |stored| stored.detection.detected.speed = f64::INFINITY),
        changed(&valid, |stored| stored.detection.detected.false_positive_probability = f64::NAN),
        changed(&valid, |stored| stored.detection.current_speed = f64::NAN),
        changed(&valid, |stored| stored.detection.origin = f64::INFINITY),
        changed(&valid, |stored| stored.detection.origin = 1e18),
        changed(&valid, |stored| stored.detection.detected.query_end = 1e18),
        changed(&valid, |stored| stored.last_seen = i64::MIN),
        changed(&valid, |stored| stored.detected_in = DetectionSource::File("long ".repeat(500))),
    ] {
        let message = NewOutboxMessage { sink: "hook".into(), key: "a".into(), payload: "{}".into() };
        let rejected = journal.record(&invalid, &[message], 20_000).await;
        assert!(matches!(rejected, Err(CatalogError::Invalid { .. })), "{rejected:?}");
    }
    let message = NewOutboxMessage { sink: "hook".into(), key: "long ".repeat(500), payload: "{}".into() };
    let rejected = journal.record(&valid, &[message], 20_000).await;
    assert!(matches!(rejected, Err(CatalogError::Invalid { .. })), "{rejected:?}");
    assert_eq!(between(journal, &stream("a"), i64::MIN, i64::MAX).await, []);
    assert_eq!(journal.claim_deliveries("hook", 9, super::leases::HOUR).await.unwrap(), []);
    let unusual = detection(1, stream("a\0b"), 10_000, 20_000);
    recorded(journal, &unusual).await;
    assert_eq!(numbers(&between(journal, &stream("a\0b"), 0, 99_000).await), [1]);
}

pub(crate) async fn the_last_state_of_an_airing_wins_a_race(storage: &dyn TestStorage) {
    let mut tasks = Vec::new();
    for worker in 0..3 {
        let catalog = storage.open().await;
        tasks.push(tokio::spawn(async move {
            for step in 0..20 {
                for n in 0..4 {
                    let seen = 10_000 + step * 10 + worker;
                    let state = detection(n, stream("a"), 10_000, seen);
                    let is_last = step == 19 && worker == 2;
                    let state = if is_last { ended(&state) } else { state };
                    catalog.journal().record(&state, &[], seen).await.unwrap();
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let all = between(storage.open().await.journal(), &stream("a"), 0, 99_000).await;
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|stored| stored.detection.is_final() && stored.last_seen == 10_192));
}

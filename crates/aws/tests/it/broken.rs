//! Stores that misbehave.

use std::time::Duration;

use refrain_service::outside::{ObjectName, Objects, OutsideErrorKind};
use refrain_testkit::origin::{Fault, Origin, Times};

use crate::setup::aws_at;

const SOUND: &[u8] = b"0123456789";

/// A store with one object, and what it is called.
async fn store() -> (Origin, ObjectName) {
    let origin = Origin::start().await.unwrap();
    origin.put("/songs/one.mp3", SOUND, "audio/mpeg");
    (origin, ObjectName { bucket: "songs".to_owned(), key: "one.mp3".to_owned() })
}

#[tokio::test]
async fn bodies_that_stand_still_or_break_off_are_given_up() {
    for (fault, told) in
        [(Fault::Trickle(Duration::from_secs(3600)), "after 1 bytes"), (Fault::Truncated(4), "after 4 bytes")]
    {
        let (origin, song) = store().await;
        origin.fault("*", fault.clone(), Times::Always);
        let objects = aws_at(&origin.url("")).await.objects();
        let error = objects.read(&song, 0..10, None).await.unwrap_err();
        assert_eq!(error.kind(), OutsideErrorKind::Unavailable, "{fault:?}: {error}");
        assert!(error.to_string().contains("s3://songs/one.mp3"), "{fault:?}: {error}");
        assert!(error.to_string().contains(told), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn a_store_that_knows_no_parts_gives_no_wrong_ones() {
    let (origin, song) = store().await;
    let objects = aws_at(&origin.url("")).await.objects();
    assert_eq!(objects.read(&song, 3..5, None).await.unwrap(), "34");
    origin.fault("*", Fault::IgnoreRange, Times::Always);
    assert_eq!(objects.read(&song, 0..5, None).await.unwrap(), "01234");
    let error = objects.read(&song, 3..5, None).await.unwrap_err();
    assert_eq!(error.kind(), OutsideErrorKind::Invalid, "{error}");
}

#[tokio::test]
async fn what_fails_for_a_moment_is_asked_again() {
    let (origin, song) = store().await;
    let objects = aws_at(&origin.url("")).await.objects();
    for fault in [Fault::Status(503), Fault::Status(500), Fault::Reset] {
        origin.fault("*", fault.clone(), Times::First(2));
        assert_eq!(objects.read(&song, 0..10, None).await.unwrap(), SOUND, "{fault:?}");
    }
}

#[tokio::test]
async fn a_status_without_a_code_says_enough() {
    let (origin, song) = store().await;
    let objects = aws_at(&origin.url("")).await.objects();
    for (status, kind) in [
        (401, OutsideErrorKind::Denied),
        (403, OutsideErrorKind::Denied),
        (404, OutsideErrorKind::NotFound),
        (409, OutsideErrorKind::Conflict),
        (412, OutsideErrorKind::Conflict),
        (429, OutsideErrorKind::Throttled),
        (400, OutsideErrorKind::Invalid),
        (501, OutsideErrorKind::Invalid),
        (502, OutsideErrorKind::Unavailable),
    ] {
        origin.fault("*", Fault::Status(status), Times::Always);
        let error = objects.facts(&song).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().starts_with("cannot look at s3://songs/one.mp3: "), "{error}");
        assert_eq!(error.to_string().contains("s3:GetObject"), kind == OutsideErrorKind::Denied, "{error}");
        origin.heal("*");
    }
}

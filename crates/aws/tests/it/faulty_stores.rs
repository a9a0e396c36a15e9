//! Faulty object stores.

use std::time::Duration;

use refrain_service::cloud::{CloudErrorKind, ObjectName, Objects};
use refrain_testkit::origin::{Fault, Origin, Times};

use crate::setup::aws_at;

const CONTENT: &[u8] = b"0123456789";

/// Starts a store with one object. Returns the store and the name of the object.
async fn store() -> (Origin, ObjectName) {
    let origin = Origin::start().await.unwrap();
    origin.put("/songs/one.mp3", CONTENT, "audio/mpeg");
    (origin, ObjectName { bucket: "songs".to_owned(), key: "one.mp3".to_owned() })
}

#[tokio::test]
async fn stalled_and_truncated_bodies_are_aborted() {
    for (fault, expected) in
        [(Fault::Trickle(Duration::from_secs(3600)), "after 1 bytes"), (Fault::Truncated(4), "after 4 bytes")]
    {
        let (origin, song) = store().await;
        origin.fault("*", fault.clone(), Times::Always);
        let objects = aws_at(&origin.url("")).await.objects();
        let error = objects.read(&song, 0..10, None).await.unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::Unavailable, "{fault:?}: {error}");
        assert!(error.to_string().contains("s3://songs/one.mp3"), "{fault:?}: {error}");
        assert!(error.to_string().contains(expected), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn stores_that_ignore_ranges_do_not_return_wrong_parts() {
    let (origin, song) = store().await;
    let objects = aws_at(&origin.url("")).await.objects();
    assert_eq!(objects.read(&song, 3..5, None).await.unwrap(), "34");
    origin.fault("*", Fault::IgnoreRange, Times::Always);
    assert_eq!(objects.read(&song, 0..5, None).await.unwrap(), "01234");
    let error = objects.read(&song, 3..5, None).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
}

#[tokio::test]
async fn temporary_errors_are_retried() {
    let (origin, song) = store().await;
    let objects = aws_at(&origin.url("")).await.objects();
    for fault in [Fault::Status(503), Fault::Status(500), Fault::Reset] {
        origin.fault("*", fault.clone(), Times::First(2));
        assert_eq!(objects.read(&song, 0..10, None).await.unwrap(), CONTENT, "{fault:?}");
    }
}

#[tokio::test]
async fn http_status_decides_the_kind_of_errors_without_a_code() {
    let (origin, song) = store().await;
    let objects = aws_at(&origin.url("")).await.objects();
    for (status, kind) in [
        (401, CloudErrorKind::Denied),
        (403, CloudErrorKind::Denied),
        (404, CloudErrorKind::NotFound),
        (409, CloudErrorKind::Conflict),
        (412, CloudErrorKind::Conflict),
        (429, CloudErrorKind::Throttled),
        (400, CloudErrorKind::Invalid),
        (501, CloudErrorKind::Invalid),
        (502, CloudErrorKind::Unavailable),
    ] {
        origin.fault("*", Fault::Status(status), Times::Always);
        let error = objects.facts(&song).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().starts_with("cannot look at s3://songs/one.mp3: "), "{error}");
        assert_eq!(error.to_string().contains("s3:GetObject"), kind == CloudErrorKind::Denied, "{error}");
        origin.heal("*");
    }
}

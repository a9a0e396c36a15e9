//! Objects in a bucket: the rules of keys, against a bucket in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use refrain_catalog::DeliveryStatus;
use refrain_service::outside::{
    ListedObject, ObjectFacts, ObjectName, Objects, Outside, OutsideError, OutsideErrorKind, Put,
};
use refrain_service::response::file_name;
use refrain_service::settings::{SinkKind, SinkSettings};

use super::{Post, evening, outbox, sink};

/// What goes wrong with a write.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// Nothing is written.
    Refused(OutsideErrorKind),
    /// It is written, and the answer is lost.
    Lost,
}

#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Bytes>>,
    /// Of the next writes, the last one first.
    faults: Mutex<Vec<Fault>>,
    /// Writes under way, at each time that one began.
    at_once: Mutex<Vec<usize>>,
    under_way: AtomicUsize,
}

fn failed(kind: OutsideErrorKind) -> OutsideError {
    OutsideError::new(kind, "cannot write s3://b/k", format!("{kind:?}"))
}

#[async_trait]
impl Objects for Bucket {
    async fn facts(&self, object: &ObjectName) -> Result<ObjectFacts, OutsideError> {
        let objects = self.objects.lock().unwrap();
        let body = objects.get(&object.key).ok_or_else(|| failed(OutsideErrorKind::NotFound))?;
        Ok(ObjectFacts { size: body.len() as u64, ..ObjectFacts::default() })
    }

    async fn read(
        &self,
        object: &ObjectName,
        range: Range<u64>,
        _: Option<&str>,
    ) -> Result<Bytes, OutsideError> {
        let objects = self.objects.lock().unwrap();
        let body = objects.get(&object.key).ok_or_else(|| failed(OutsideErrorKind::NotFound))?;
        Ok(body.slice(range.start as usize..body.len().min(range.end as usize)))
    }

    async fn tags(&self, _: &ObjectName) -> Result<BTreeMap<String, String>, OutsideError> {
        Ok(BTreeMap::new())
    }

    async fn write(
        &self,
        object: &ObjectName,
        body: Bytes,
        kind: &str,
        put: Put,
    ) -> Result<(), OutsideError> {
        assert_eq!((object.bucket.as_str(), kind, put), ("b", "application/json", Put::New));
        let at_once = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_once.lock().unwrap().push(at_once);
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let fault = self.faults.lock().unwrap().pop();
        if let Some(Fault::Refused(kind)) = fault {
            return Err(failed(kind));
        }
        let mut objects = self.objects.lock().unwrap();
        if objects.contains_key(&object.key) {
            return Err(failed(OutsideErrorKind::Conflict));
        }
        objects.insert(object.key.clone(), body);
        if fault == Some(Fault::Lost) { Err(failed(OutsideErrorKind::Unavailable)) } else { Ok(()) }
    }

    async fn list(&self, _: &str, _: &str, _: Option<&str>) -> Result<Vec<ListedObject>, OutsideError> {
        Ok(Vec::new())
    }

    async fn delete(&self, object: &ObjectName) -> Result<(), OutsideError> {
        self.objects.lock().unwrap().remove(&object.key);
        Ok(())
    }

    async fn check_bucket(&self, _: &str) -> Result<(), OutsideError> {
        Ok(())
    }
}

async fn post() -> (Post, Arc<Bucket>, [SinkSettings; 1]) {
    let bucket = Arc::new(Bucket::default());
    let outside = Outside { objects: Some(bucket.clone()), ..Outside::default() };
    let kind = SinkKind::S3 { bucket: "b".into(), key: "{stream_id}/{file}".into() };
    (Post { outside, ..Post::new().await }, bucket, [sink("s3", kind)])
}

fn key(number: u32) -> String {
    format!("st-1/{}", file_name("st-1", &evening(), number))
}

#[tokio::test]
async fn a_key_is_written_once_and_what_is_there_stays() {
    let (post, bucket, sinks) = post().await;
    // Another's object, as long as ours, and one that is not.
    bucket.objects.lock().unwrap().insert(key(1), Bytes::from_static(b"{\"a\":9}\n"));
    bucket.objects.lock().unwrap().insert(key(2), Bytes::new());
    post.tell(&sinks, &["{\"a\":1}"]).await;
    let working = post.begin(&outbox(&sinks));
    post.until(DeliveryStatus::Delivered, 1).await;
    working.end().await;
    let objects = bucket.objects.lock().unwrap();
    assert_eq!(objects[&key(1)], "{\"a\":9}\n");
    assert_eq!(objects[&key(3)], "{\"a\":1}\n");
    assert_eq!(objects.len(), 3);
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_one_object() {
    let (post, bucket, sinks) = post().await;
    *bucket.faults.lock().unwrap() = vec![Fault::Lost];
    post.tell(&sinks, &["{\"a\":1}"]).await;
    let working = post.begin(&outbox(&sinks));
    let done = post.until(DeliveryStatus::Delivered, 1).await;
    working.end().await;
    assert_eq!(done[0].attempts, 2);
    assert!(bucket.objects.lock().unwrap().keys().eq([&key(1)]));
}

#[tokio::test]
async fn what_may_not_be_is_tried_again_and_what_is_wrong_is_given_up() {
    let (post, bucket, sinks) = post().await;
    *bucket.faults.lock().unwrap() = vec![
        Fault::Refused(OutsideErrorKind::Invalid),
        Fault::Refused(OutsideErrorKind::NotFound),
        Fault::Refused(OutsideErrorKind::Denied),
    ];
    post.tell(&sinks, &["{\"a\":1}"]).await;
    let working = post.begin(&outbox(&sinks));
    let dead = post.until(DeliveryStatus::Dead, 1).await;
    working.end().await;
    assert_eq!(
        (dead[0].attempts, dead[0].last_error.as_deref()),
        (3, Some("cannot write s3://b/k: Invalid"))
    );
}

#[tokio::test]
async fn a_bucket_that_is_away_is_asked_for_little_and_gets_everything_once() {
    let (post, bucket, sinks) = post().await;
    let bodies: Vec<String> = (0..60).map(|n| format!("{{\"n\":{n}}}")).collect();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    *bucket.faults.lock().unwrap() = vec![Fault::Refused(OutsideErrorKind::Unavailable); 30];
    post.tell(&sinks, &bodies).await;
    let working = post.begin(&outbox(&sinks));
    post.until(DeliveryStatus::Delivered, 60).await;
    working.end().await;
    let objects = bucket.objects.lock().unwrap();
    let bodies: BTreeSet<_> = objects.values().collect();
    assert_eq!((objects.len(), bodies.len()), (60, 60));
    let at_once = bucket.at_once.lock().unwrap();
    // Four at once fail, then four more at most; then it is asked with one after the other until it is back.
    assert!(at_once[..4].contains(&4) && at_once[31..].contains(&4), "{at_once:?}");
    assert!(at_once[8..30].iter().all(|count| *count == 1), "{at_once:?}");
}

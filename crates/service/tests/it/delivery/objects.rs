//! Tests of the S3 sink and its rules for keys, with a bucket in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use refrain_app::response::file_name;
use refrain_catalog::DeliveryStatus;
use refrain_service::outside::{
    ListedObject, ObjectFacts, ObjectName, Objects, Outside, OutsideError, OutsideErrorKind, Put,
};
use refrain_service::settings::{SinkKind, SinkSettings};

use super::{Post, evening, outbox, sink};

/// A failure of a write.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// Nothing is written.
    Refused(OutsideErrorKind),
    /// The object is written, but the response is lost.
    Lost,
}

#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Bytes>>,
    /// Faults of the next writes, in reverse order.
    faults: Mutex<Vec<Fault>>,
    /// Number of concurrent writes at the start of each write.
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
async fn existing_objects_are_not_overwritten() {
    let (post, bucket, sinks) = post().await;
    // One foreign object has the length of the new one; the other one does not.
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
async fn lost_response_leaves_one_object() {
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
async fn denied_write_is_retried_and_invalid_write_is_dead() {
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
async fn unavailable_bucket_gets_few_calls_and_each_object_once() {
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
    // Four concurrent writes fail, then at most four more. After that, one write at a time probes the bucket until it is back.
    assert!(at_once[..4].contains(&4) && at_once[31..].contains(&4), "{at_once:?}");
    assert!(at_once[8..30].iter().all(|count| *count == 1), "{at_once:?}");
}

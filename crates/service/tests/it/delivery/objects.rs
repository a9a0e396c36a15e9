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
use refrain_service::cloud::{
    CloudError, CloudErrorKind, CloudServices, ListedObject, ObjectFacts, ObjectName, Objects, Put,
};
use refrain_service::settings::{SinkKind, SinkSettings};

use super::{OutboxTest, evening, outbox, sink};

/// A failure of a write.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// Nothing is written.
    Refused(CloudErrorKind),
    /// The object is written, but the response is lost.
    Lost,
}

#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Bytes>>,
    /// Faults of the next writes, in reverse order.
    faults: Mutex<Vec<Fault>>,
    /// Number of concurrent writes at the start of each write.
    concurrent: Mutex<Vec<usize>>,
    in_flight: AtomicUsize,
}

fn failed(kind: CloudErrorKind) -> CloudError {
    CloudError::new(kind, "cannot write s3://b/k", format!("{kind:?}"))
}

#[async_trait]
impl Objects for Bucket {
    async fn facts(&self, object: &ObjectName) -> Result<ObjectFacts, CloudError> {
        let objects = self.objects.lock().unwrap();
        let body = objects.get(&object.key).ok_or_else(|| failed(CloudErrorKind::NotFound))?;
        Ok(ObjectFacts { size: body.len() as u64, ..ObjectFacts::default() })
    }

    async fn read(
        &self,
        object: &ObjectName,
        range: Range<u64>,
        _: Option<&str>,
    ) -> Result<Bytes, CloudError> {
        let objects = self.objects.lock().unwrap();
        let body = objects.get(&object.key).ok_or_else(|| failed(CloudErrorKind::NotFound))?;
        Ok(body.slice(range.start as usize..body.len().min(range.end as usize)))
    }

    async fn tags(&self, _: &ObjectName) -> Result<BTreeMap<String, String>, CloudError> {
        Ok(BTreeMap::new())
    }

    async fn write(&self, object: &ObjectName, body: Bytes, kind: &str, put: Put) -> Result<(), CloudError> {
        assert_eq!((object.bucket.as_str(), kind, put), ("b", "application/json", Put::New));
        let concurrent = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.concurrent.lock().unwrap().push(concurrent);
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        let fault = self.faults.lock().unwrap().pop();
        if let Some(Fault::Refused(kind)) = fault {
            return Err(failed(kind));
        }
        let mut objects = self.objects.lock().unwrap();
        if objects.contains_key(&object.key) {
            return Err(failed(CloudErrorKind::Conflict));
        }
        objects.insert(object.key.clone(), body);
        if fault == Some(Fault::Lost) { Err(failed(CloudErrorKind::Unavailable)) } else { Ok(()) }
    }

    async fn list(&self, _: &str, _: &str, _: Option<&str>) -> Result<Vec<ListedObject>, CloudError> {
        Ok(Vec::new())
    }

    async fn delete(&self, object: &ObjectName) -> Result<(), CloudError> {
        self.objects.lock().unwrap().remove(&object.key);
        Ok(())
    }

    async fn check_bucket(&self, _: &str) -> Result<(), CloudError> {
        Ok(())
    }
}

async fn fixture() -> (OutboxTest, Arc<Bucket>, [SinkSettings; 1]) {
    let bucket = Arc::new(Bucket::default());
    let cloud = CloudServices { objects: Some(bucket.clone()), ..CloudServices::default() };
    let kind = SinkKind::S3 { bucket: "b".into(), key: "{stream_id}/{file}".into() };
    (OutboxTest { cloud, ..OutboxTest::new().await }, bucket, [sink("s3", kind)])
}

fn key(number: u32) -> String {
    format!("st-1/{}", file_name("st-1", &evening(), number))
}

#[tokio::test]
async fn existing_objects_are_not_overwritten() {
    let (fixture, bucket, sinks) = fixture().await;
    // One foreign object has the length of the new one; the other one does not.
    bucket.objects.lock().unwrap().insert(key(1), Bytes::from_static(b"{\"a\":9}\n"));
    bucket.objects.lock().unwrap().insert(key(2), Bytes::new());
    fixture.enqueue_responses(&sinks, &["{\"a\":1}"]).await;
    let running = fixture.begin(&outbox(&sinks));
    fixture.until(DeliveryStatus::Delivered, 1).await;
    running.end().await;
    let objects = bucket.objects.lock().unwrap();
    assert_eq!(objects[&key(1)], "{\"a\":9}\n");
    assert_eq!(objects[&key(3)], "{\"a\":1}\n");
    assert_eq!(objects.len(), 3);
}

#[tokio::test]
async fn lost_response_leaves_one_object() {
    let (fixture, bucket, sinks) = fixture().await;
    *bucket.faults.lock().unwrap() = vec![Fault::Lost];
    fixture.enqueue_responses(&sinks, &["{\"a\":1}"]).await;
    let running = fixture.begin(&outbox(&sinks));
    let done = fixture.until(DeliveryStatus::Delivered, 1).await;
    running.end().await;
    assert_eq!(done[0].attempts, 2);
    assert!(bucket.objects.lock().unwrap().keys().eq([&key(1)]));
}

#[tokio::test]
async fn denied_write_is_retried_and_invalid_write_is_dead() {
    let (fixture, bucket, sinks) = fixture().await;
    *bucket.faults.lock().unwrap() = vec![
        Fault::Refused(CloudErrorKind::Invalid),
        Fault::Refused(CloudErrorKind::NotFound),
        Fault::Refused(CloudErrorKind::Denied),
    ];
    fixture.enqueue_responses(&sinks, &["{\"a\":1}"]).await;
    let running = fixture.begin(&outbox(&sinks));
    let dead = fixture.until(DeliveryStatus::Dead, 1).await;
    running.end().await;
    assert_eq!(
        (dead[0].attempts, dead[0].last_error.as_deref()),
        (3, Some("cannot write s3://b/k: Invalid"))
    );
}

#[tokio::test]
async fn unavailable_bucket_gets_few_calls_and_each_object_once() {
    let (fixture, bucket, sinks) = fixture().await;
    let bodies: Vec<String> = (0..60).map(|n| format!("{{\"n\":{n}}}")).collect();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    *bucket.faults.lock().unwrap() = vec![Fault::Refused(CloudErrorKind::Unavailable); 30];
    fixture.enqueue_responses(&sinks, &bodies).await;
    let running = fixture.begin(&outbox(&sinks));
    fixture.until(DeliveryStatus::Delivered, 60).await;
    running.end().await;
    let objects = bucket.objects.lock().unwrap();
    let bodies: BTreeSet<_> = objects.values().collect();
    assert_eq!((objects.len(), bodies.len()), (60, 60));
    let concurrent = bucket.concurrent.lock().unwrap();
    // Four concurrent writes fail, then at most four more. After that, one write at a time probes the bucket until it
    // is back.
    assert!(concurrent[..4].contains(&4) && concurrent[31..].contains(&4), "{concurrent:?}");
    assert!(concurrent[8..30].iter().all(|count| *count == 1), "{concurrent:?}");
}

//! A simulated cloud: moto, the simulated IVS API, and the service's settings for both.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use refrain_testkit::Moto;
use refrain_testkit::channels::Ivs;
use serde_json::{Value, json};

/// Timeout of waiting for an expected state.
pub(super) const TIMEOUT: Duration = Duration::from_secs(120);

/// Visibility timeout of the queues in seconds. It is long because a burst takes long on a busy machine.
const VISIBILITY_TIMEOUT_SECONDS: u32 = 30;

/// Returns the server that all tests share. Each test uses unique names for its resources.
fn moto() -> &'static Moto {
    static SERVER: OnceLock<Moto> = OnceLock::new();
    SERVER.get_or_init(|| Moto::start().unwrap_or_else(|error| panic!("{error}")))
}

/// Returns a name that no other test uses.
fn unique_name(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// URLs of a queue and of its dead-letter queue.
pub(super) struct TestQueue {
    pub(super) url: String,
    pub(super) dead: String,
}

/// Buckets, queues and channels of one test.
pub(super) struct Cloud {
    pub(super) ivs: Ivs,
    pub(super) bucket: String,
    pub(super) results: String,
    pub(super) streams: TestQueue,
    pub(super) check: TestQueue,
    pub(super) index: TestQueue,
}

impl Cloud {
    pub(super) async fn new() -> Self {
        let (bucket, results) = (unique_name("source"), unique_name("results"));
        [&bucket, &results].into_iter().for_each(|bucket| moto().make_bucket(bucket).unwrap());
        let queue = || {
            let (url, dead) = moto().make_queue(&unique_name("queue"), VISIBILITY_TIMEOUT_SECONDS).unwrap();
            TestQueue { url, dead }
        };
        let ivs = Ivs::start().await.unwrap();
        Self { ivs, bucket, results, streams: queue(), check: queue(), index: queue() }
    }

    /// Returns the settings of the service for this cloud. `s3` is the endpoint URL of S3 if it is not moto's.
    pub(super) fn settings(&self, s3: Option<&str>) -> String {
        let url = moto().url();
        format!(
            "[aws]\nregion = 'eu-west-1'\nendpoint_url = '{url}'\nendpoint_url_ivs = '{}'\nendpoint_url_s3 = '{}'\n\
             [queues]\nstreams = '{}'\ncheck = '{}'\nindex = '{}'\n\
             [bucket]\nsource = '{}'\nsegment_wait_seconds = 2\n\
             [monitor]\nallow_private_addresses = true\n\
             [log]\nlevel = 'warn'\n\
             [ivs]\ncalls_per_second = 100.0\n\
             [outbox]\nlongest_pause_seconds = 1\n\
             [[sinks]]\nkind = 's3'\nbucket = '{}'\nfrom = ['live', 'archive']\n",
            self.ivs.url(),
            s3.unwrap_or(&url),
            self.streams.url,
            self.check.url,
            self.index.url,
            self.bucket,
            self.results,
        )
    }

    /// Sends the event of a stream of a channel.
    pub(super) fn event(&self, name: &str, channel: &str, stream: &str) {
        send(&self.streams.url, &event(name, channel, stream));
    }

    /// Puts an object into the source bucket.
    pub(super) fn put(&self, key: &str, bytes: &[u8]) {
        moto().put(&self.bucket, key, bytes).unwrap();
    }

    /// Puts an object into the source bucket, and its event into a queue.
    pub(super) fn drop_in(&self, queue: &TestQueue, key: &str, bytes: &[u8]) {
        self.put(key, bytes);
        send(&queue.url, &self.created(key, bytes.len()));
    }

    /// Returns the EventBridge event of a new object in the source bucket.
    pub(super) fn created(&self, key: &str, size: usize) -> String {
        created_in(&self.bucket, key, size)
    }

    /// Returns the responses in the results bucket, with their keys.
    pub(super) fn results(&self) -> Vec<(String, Value)> {
        let read = |key: String| {
            let value = object(&self.results, &key)?;
            Some((key, value))
        };
        keys(&self.results, "").into_iter().filter_map(read).collect()
    }
}

/// Returns the EventBridge event of a new object in a bucket.
pub(super) fn created_in(bucket: &str, key: &str, size: usize) -> String {
    static SEQUENCER: AtomicU32 = AtomicU32::new(1);
    let sequencer = format!("{:016X}", SEQUENCER.fetch_add(1, Ordering::Relaxed));
    json!({ "version": "0", "id": unique_name("event"), "detail-type": "Object Created", "source": "aws.s3",
        "account": "123456789012", "time": "2026-03-01T10:23:43Z", "region": "eu-west-1",
        "resources": [format!("arn:aws:s3:::{bucket}")],
        "detail": { "version": "0", "bucket": { "name": bucket }, "reason": "PutObject",
            "object": { "key": key, "size": size, "etag": "x", "sequencer": sequencer } } })
    .to_string()
}

/// Returns the EventBridge event "IVS Stream State Change".
pub(super) fn event(name: &str, channel: &str, stream: &str) -> String {
    json!({ "version": "0", "id": unique_name("event"), "detail-type": "IVS Stream State Change", "source": "aws.ivs",
        "account": "123456789012", "time": chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        "region": "eu-west-1", "resources": [channel],
        "detail": { "event_name": name, "channel_name": "", "stream_id": stream } })
    .to_string()
}

/// Returns the ARN of a channel with this name.
pub(super) fn arn(name: &str) -> String {
    format!("arn:aws:ivs:eu-west-1:123456789012:channel/{name}")
}

/// Waits until `poll` returns a value. `what` names it in the failure message.
pub(super) async fn wait_until<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(began.elapsed() < TIMEOUT, "timeout waiting for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(super) fn send(url: &str, body: &str) {
    moto().send(url, body).unwrap();
}

/// Returns the number of available messages of a queue, and of those in flight.
pub(super) fn depth(url: &str) -> (u64, u64) {
    moto().depth(url).unwrap()
}

/// Returns a JSON object of a bucket, or `None` if it does not exist.
pub(super) fn object(bucket: &str, key: &str) -> Option<Value> {
    let body = moto().get(bucket, key).unwrap()?;
    Some(serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{key}: {error}")))
}

/// Returns the keys of a bucket with a prefix.
pub(super) fn keys(bucket: &str, prefix: &str) -> Vec<String> {
    moto().keys(bucket, prefix).unwrap()
}

/// A proxy of S3, which closes all connections while it is shut.
pub(super) struct Gate {
    url: String,
    shut: Arc<AtomicBool>,
}

impl Gate {
    pub(super) async fn before_s3() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shut = Arc::<AtomicBool>::default();
        let (refuses, behind) = (shut.clone(), moto().url());
        tokio::spawn(async move {
            let behind = behind.strip_prefix("http://").unwrap().to_owned();
            while let Ok((mut near, _)) = listener.accept().await {
                let (refuses, behind) = (refuses.clone(), behind.clone());
                tokio::spawn(async move {
                    // While the gate is shut, new connections are closed, and `watch` closes the existing ones.
                    if refuses.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(mut far) = tokio::net::TcpStream::connect(behind).await else { return };
                    let watch = async {
                        while !refuses.load(Ordering::SeqCst) {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = watch => {}
                    }
                });
            }
        });
        Self { url, shut }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn shut(&self, shut: bool) {
        self.shut.store(shut, Ordering::SeqCst);
    }
}

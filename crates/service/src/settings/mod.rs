//! Validated settings of the service. `docs/service.toml` describes each of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use refrain_core::matching::MatchSettings;
use serde::Deserialize;

use refrain_monitor::{AudioPreferences, EventKind, HealthThresholds, MonitorSettings};
use refrain_net::{HttpSettings, RequestHeaders};

/// Roles of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Follows live streams and reads the queues of their events.
    pub monitor: bool,
    /// Identifies files.
    pub check: bool,
    /// Indexes files.
    pub index: bool,
    /// Serves the API.
    pub api: bool,
}

/// All settings of a process.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// Roles of this process.
    pub roles: Roles,
    /// Name of the process in leases and logs.
    pub name: String,
    /// Time limit of a shutdown.
    pub drain: Duration,
    /// Settings of streams.
    pub streams: StreamsSettings,
    /// Settings of files.
    pub files: FilesSettings,
    /// Settings of deliveries.
    pub outbox: OutboxSettings,
    /// Retention times of rows in the database.
    pub retention: RetentionSettings,
    /// Settings of the HTTP server.
    pub http: HttpServiceSettings,
    /// Settings of the metrics for CloudWatch; `None`: no metrics are written.
    pub emf: Option<EmfSettings>,
}

/// The settings that a running process can change.
#[derive(Debug, Clone, PartialEq)]
pub struct ReloadableSettings {
    /// Streams that are always followed.
    pub streams: Vec<FixedStream>,
    /// Destinations of deliveries.
    pub sinks: Vec<SinkSettings>,
}

impl ServiceSettings {
    /// Returns the settings that a running process can change.
    #[must_use]
    pub fn reloadable(&self) -> ReloadableSettings {
        ReloadableSettings { streams: self.streams.fixed.clone(), sinks: self.outbox.sinks.clone() }
    }
}

/// Settings of streams and their leases.
#[derive(Debug, Clone)]
pub struct StreamsSettings {
    /// Maximum number of streams that this process follows; 0: none.
    pub capacity: u32,
    /// Lease duration. A stream whose lease has expired is taken over by another process.
    pub lease: Duration,
    /// Settings of the monitor. `live.update_seconds` is always set: it is the interval at which open airings are
    /// written to the database.
    pub monitor: MonitorSettings,
    /// Kinds of events that are delivered. Events of all kinds are written to the database.
    pub events: Vec<EventKind>,
    /// True if alerts about the audio are delivered.
    pub alerts: bool,
    /// ARNs of the IVS channels to follow; empty: all.
    pub channels: Vec<String>,
    /// Interval of calls to ListStreams; `None`: it is never called.
    pub reconcile: Option<Duration>,
    /// Private half of the key for private channels, in PEM; `None`: private channels cannot be followed. It is never
    /// shown.
    pub private_key: Option<Secret>,
    /// Validity of a token for a private channel.
    pub token: Duration,
    /// Maximum number of calls per second to the API of IVS.
    pub calls_per_second: f64,
    /// URLs to follow while a MediaLive channel runs, by the ARN of the channel.
    pub medialive: BTreeMap<String, String>,
    /// Streams that are always followed.
    pub fixed: Vec<FixedStream>,
}

/// A stream that is always followed.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedStream {
    /// Id of the stream.
    pub id: String,
    /// URL of the stream.
    pub url: String,
    /// Headers of the requests to the origin of the URL.
    pub headers: RequestHeaders,
    /// The audio that is followed if the stream offers a choice.
    pub preferences: AudioPreferences,
    /// Thresholds of the alerts about the audio; `None` for those of the monitor.
    pub health: Option<HealthThresholds>,
}

/// A text that is never shown in messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Settings of files in buckets.
#[derive(Debug, Clone)]
pub struct FilesSettings {
    /// The only bucket whose events are accepted; `None`: any.
    pub source: Option<String>,
    /// Prefix of files to index.
    pub index_prefix: String,
    /// Prefix of files to identify.
    pub check_prefix: String,
    /// Prefix of the segments of streams.
    pub streams_prefix: String,
    /// MediaLive's name modifier: the end of the name of a segment, before the counter. It is not part of the name of
    /// the stream. Empty: none.
    pub name_modifier: String,
    /// Maximum size of an object, in bytes.
    pub max_object_bytes: u64,
    /// Time to wait for a missing segment before it is skipped.
    pub segment_wait: Duration,
    /// A stream of segments ends if no new one arrives for this time.
    pub stream_end: Duration,
    /// Maximum number of files that are processed at the same time.
    pub jobs: usize,
    /// Settings of the search.
    pub matching: MatchSettings,
}

/// Kind of input that a detection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectionOrigin {
    /// A live stream.
    Live,
    /// A stream of segments: objects in a bucket that an archive output of MediaLive writes.
    Archive,
    /// A file.
    File,
}

/// Format of deliveries to a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkFormat {
    /// The response of identifyStream.
    Response,
    /// `{"stream", "song", "score"}` when the song of a stream changes.
    Song,
}

/// Settings of a sink, the destination of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkSettings {
    /// Name of the sink in the outbox.
    pub name: String,
    /// Kind of the sink.
    pub kind: SinkKind,
    /// Kinds of input whose detections are delivered.
    pub from: Vec<DetectionOrigin>,
    /// Format of the deliveries. S3 and folders get responses only.
    pub format: SinkFormat,
}

/// Kind of a sink, with its destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkKind {
    /// Objects in an S3 bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// The template of keys.
        key: String,
    },
    /// Messages to an SNS topic.
    Sns {
        /// ARN of the topic.
        topic: String,
    },
    /// Requests to a URL.
    Webhook {
        /// Destination; can contain a token.
        url: Secret,
        /// Key that signs the body; `None`: the requests have no signature.
        secret: Option<Secret>,
        /// Timeout of a request.
        timeout: Duration,
        /// True if the address may be private or loopback.
        allow_private: bool,
    },
    /// Files in a folder.
    Folder {
        /// The folder.
        path: PathBuf,
        /// The template of paths below it.
        key: String,
    },
    /// Standard output.
    Stdout,
}

/// Settings of deliveries.
#[derive(Debug, Clone)]
pub struct OutboxSettings {
    /// The sinks.
    pub sinks: Vec<SinkSettings>,
    /// Maximum pause between two attempts.
    pub max_pause: Duration,
    /// Age after which an undelivered message is marked as dead.
    pub give_up: Duration,
    /// Maximum number of concurrent deliveries to each sink.
    pub parallel: usize,
    /// Settings of the HTTP clients of webhooks.
    pub http: HttpSettings,
}

/// Retention times of rows in the database; `None`: never deleted.
#[derive(Debug, Clone)]
pub struct RetentionSettings {
    /// Retention time of detections.
    pub detections: Option<Duration>,
    /// Retention time of delivered and dead messages.
    pub deliveries: Option<Duration>,
}

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
pub struct HttpServiceSettings {
    /// Address and port to listen on; `None`: there is no HTTP server.
    pub listen: Option<std::net::SocketAddr>,
    /// Bearer token of requests to the API; `None`: only requests from loopback addresses are accepted.
    pub api_token: Option<Secret>,
}

/// Settings of metrics in CloudWatch's embedded metric format.
#[derive(Debug, Clone)]
pub struct EmfSettings {
    /// Namespace of the metrics.
    pub namespace: String,
    /// Value of the CloudWatch dimension `Service` of all metrics.
    pub service: String,
    /// Interval at which each metric is written.
    pub interval: Duration,
    /// True if metrics are also written for each channel.
    pub per_channel: bool,
}

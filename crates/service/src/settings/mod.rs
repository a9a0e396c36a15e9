//! Settings of the service, checked already: `docs/service.toml` tells of every one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use refrain_core::matching::MatchSettings;
use serde::Deserialize;

use crate::monitor::EventKind;
use crate::monitor::MonitorSettings;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Follows live streams.
    pub monitor: bool,
    /// Checks files.
    pub check: bool,
    /// Learns files.
    pub index: bool,
    /// Answers the API.
    pub api: bool,
}

/// Everything.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// What this process does.
    pub roles: Roles,
    /// Its name in leases and logs.
    pub name: String,
    /// Time from the wish to end to the end.
    pub drain: Duration,
    /// Streams.
    pub streams: StreamsSettings,
    /// Files.
    pub files: FilesSettings,
    /// Deliveries.
    pub outbox: OutboxSettings,
    /// What is deleted in the end.
    pub keep: KeepSettings,
    /// The HTTP side.
    pub http: HttpServiceSettings,
    /// CloudWatch's metrics.
    pub emf: Option<EmfSettings>,
}

/// Streams and their leases.
#[derive(Debug, Clone)]
pub struct StreamsSettings {
    /// Most that this process follows; 0 takes none.
    pub capacity: u32,
    /// A stream whose worker has not been heard of for so long is taken over.
    pub lease: Duration,
    /// How they are followed. `live.update_seconds` is always set: it is how often an airing that goes on is written down.
    pub monitor: MonitorSettings,
    /// Which events are delivered; all are written down.
    pub events: Vec<EventKind>,
    /// ARNs of the channels to follow; none: all.
    pub channels: Vec<String>,
    /// How often ListStreams is asked; `None`: never.
    pub reconcile: Option<Duration>,
    /// Private half of the key for private channels, PEM. Never shown.
    pub private_key: Option<Secret>,
    /// How long a token is good.
    pub token: Duration,
    /// Most calls of the channels' API a second.
    pub calls_per_second: f64,
    /// What to follow while a MediaLive channel runs, by ARN.
    pub medialive: BTreeMap<String, String>,
    /// Streams that are always followed: id and URL.
    pub fixed: Vec<(String, String)>,
}

/// A text that no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
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

/// Files in buckets.
#[derive(Debug, Clone)]
pub struct FilesSettings {
    /// The one bucket whose events count; `None`: any.
    pub source: Option<String>,
    /// Prefix of what is learnt.
    pub index_prefix: String,
    /// Prefix of what is checked.
    pub check_prefix: String,
    /// Prefix of segments of streams.
    pub streams_prefix: String,
    /// What is cut off the end of a segment's name after its counter.
    pub name_modifier: String,
    /// Most bytes of an object.
    pub largest_object: u64,
    /// How long a missing segment is waited for.
    pub segment_wait: Duration,
    /// A stream of segments without a new one for so long is over.
    pub stream_end: Duration,
    /// Files that are worked on at once.
    pub jobs: usize,
    /// How they are searched.
    pub matching: MatchSettings,
}

/// Where sound was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// A live stream.
    Live,
    /// Segments of an archive.
    Archive,
    /// A file.
    File,
}

/// What a sink gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The response of identifyStream.
    Response,
    /// `{"stream", "song", "score"}` when the song of a stream changes.
    Song,
}

/// A place that detections are delivered to.
#[derive(Debug, Clone)]
pub struct SinkSettings {
    /// Its name in the outbox.
    pub name: String,
    /// What it is.
    pub kind: SinkKind,
    /// What it gets, by where it was heard.
    pub from: Vec<From>,
    /// In which form; S3 and folders get responses only.
    pub format: Format,
}

/// What a sink is.
#[derive(Debug, Clone)]
pub enum SinkKind {
    /// A bucket; `key` is a template.
    S3 {
        /// The bucket.
        bucket: String,
        /// The template of keys.
        key: String,
    },
    /// A topic.
    Sns {
        /// Its ARN.
        topic: String,
    },
    /// A URL.
    Webhook {
        /// Where to; may hold a token.
        url: Secret,
        /// What signs the body.
        secret: Option<Secret>,
        /// Longest wait for an answer.
        timeout: Duration,
        /// Whether the address may be private or loopback.
        allow_private: bool,
    },
    /// A folder; `key` is a template.
    Folder {
        /// The folder.
        path: PathBuf,
        /// The template of paths below it.
        key: String,
    },
    /// Standard output.
    Stdout,
}

/// Deliveries.
#[derive(Debug, Clone)]
pub struct OutboxSettings {
    /// Where to.
    pub sinks: Vec<SinkSettings>,
    /// Longest pause between two tries.
    pub longest_pause: Duration,
    /// After so long a message is dead.
    pub give_up: Duration,
    /// Deliveries under way at once, each sink for itself.
    pub parallel: usize,
}

/// What is deleted in the end; `None`: never.
#[derive(Debug, Clone)]
pub struct KeepSettings {
    /// Detections.
    pub detections: Option<Duration>,
    /// Delivered and dead messages.
    pub deliveries: Option<Duration>,
}

/// The HTTP side.
#[derive(Debug, Clone)]
pub struct HttpServiceSettings {
    /// Address and port; `None`: nothing listens.
    pub listen: Option<std::net::SocketAddr>,
    /// Who asks the API shows this; without it only loopback addresses are answered.
    pub api_token: Option<Secret>,
}

/// CloudWatch's embedded metric format.
#[derive(Debug, Clone)]
pub struct EmfSettings {
    /// Namespace.
    pub namespace: String,
    /// Value of the dimension `Service`.
    pub service: String,
    /// How often each metric is written.
    pub interval: Duration,
    /// Whether channels have metrics of their own.
    pub per_channel: bool,
}

//! The kinds of sinks. Each is a small type that delivers one message at a time.

mod folder;
mod s3;
mod sns;
mod stdout;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use refrain_catalog::OutboxMessage;
use refrain_net::{HttpClient, HttpSettings};

use super::envelope::{Envelope, EnvelopeError};
use super::error::SinkConfigError;
use crate::cloud::{CloudError, CloudErrorKind, CloudServices};
use crate::settings::{SinkKind, SinkSettings};
pub use stdout::SharedLineWriter;

/// Maximum duration of one delivery to a sink without its own timeout: buckets, topics, folders and standard output. It
/// is far above a normal write of a few kilobytes, and was not tuned by measurement. At half this value, a bucket that
/// throttles is more often counted as failed; at twice this value, a sink that hangs keeps its slots and its claims
/// twice as long.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// Maximum number of results with the same key. Each attempt tests the numbers in order, so the limit also bounds the
/// requests of one delivery. More than a few results per key mean that the key template is wrong: at half or twice this
/// value, the error only comes earlier or later.
const MAX_KEY_NUMBER: u32 = 10_000;

/// A message that is being delivered.
#[derive(Debug, Clone)]
pub(super) struct SinkMessage {
    /// Number of the message in the outbox.
    pub(super) id: i64,
    /// Permanent name of the message, by which a receiver recognizes repetitions.
    pub(super) name: String,
    pub(super) event: String,
    /// Key of an object or path below a folder.
    pub(super) key: Option<String>,
    pub(super) body: String,
}

/// The reason why a message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DeliveryError {
    /// Permanent failure: the sink will never accept the message.
    Permanent(String),
    /// Transient failure: a later attempt can succeed.
    Transient(String),
    /// As [`DeliveryError::Transient`], but not before this time has passed.
    TransientAfter(String, Duration),
}

/// A destination of messages.
#[async_trait]
pub(super) trait Sink: Send + Sync {
    /// Delivers a message, which may have been delivered before.
    async fn deliver(&self, message: SinkMessage) -> Result<(), DeliveryError>;

    /// Returns the maximum duration of a delivery.
    fn delivery_timeout(&self) -> Duration {
        DELIVERY_TIMEOUT
    }
}

/// The context that sinks are created with.
pub(super) struct SinkContext<'a> {
    pub(super) cloud: &'a CloudServices,
    pub(super) lines: SharedLineWriter,
}

impl SinkContext<'_> {
    pub(super) fn sink(&self, settings: &SinkSettings) -> Result<Arc<dyn Sink>, SinkConfigError> {
        let name = || settings.name.clone();
        let missing_service = |what| SinkConfigError::MissingCloudService { sink: name(), what };
        Ok(match &settings.kind {
            SinkKind::S3 { bucket, .. } => {
                let objects = self.cloud.objects.clone().ok_or_else(|| missing_service("buckets"))?;
                Arc::new(s3::S3 { objects, bucket: bucket.clone() })
            }
            SinkKind::Sns { topic } => {
                let topics = self.cloud.topics.clone().ok_or_else(|| missing_service("topics"))?;
                Arc::new(sns::Sns { topics, topic: topic.clone() })
            }
            SinkKind::Webhook { url, secret, timeout, allow_private } => {
                // A client per webhook: the timeout of the connection is a setting of the client, and a slow receiver
                // cannot use up the connections of others.
                let settings = HttpSettings { connect_timeout: *timeout, ..HttpSettings::default() };
                let client = HttpClient::new(settings)
                    .map_err(|source| SinkConfigError::Client { sink: name(), source })?;
                let url =
                    url.expose().parse().map_err(|source| SinkConfigError::Url { sink: name(), source })?;
                Arc::new(webhook::Webhook::new(client, url, secret.clone(), *timeout, *allow_private))
            }
            SinkKind::Folder { path, .. } => Arc::new(folder::Folder(path.clone())),
            SinkKind::Stdout => Arc::new(stdout::Stdout(self.lines.clone())),
        })
    }
}

impl From<CloudError> for DeliveryError {
    fn from(error: CloudError) -> Self {
        match error.kind() {
            // Only an invalid request can never succeed. Missing rights and missing buckets are corrected by people, so
            // the message waits for that.
            CloudErrorKind::Invalid => Self::Permanent(error.to_string()),
            _ => Self::Transient(error.to_string()),
        }
    }
}

impl SinkMessage {
    /// Converts a row of the outbox to a message.
    pub(super) fn of(delivery: &OutboxMessage) -> Result<Self, DeliveryError> {
        let envelope = Envelope::parse(&delivery.payload).map_err(|error| match error {
            // During a rolling update, another process may already support this version.
            EnvelopeError::Newer(_) => DeliveryError::Transient(error.to_string()),
            EnvelopeError::Damaged(_) => DeliveryError::Permanent(error.to_string()),
        })?;
        Ok(Self {
            id: delivery.id,
            name: delivery.key.clone(),
            event: envelope.event,
            key: envelope.key,
            body: envelope.body,
        })
    }

    /// Returns the content of files and objects: the body as a line.
    fn text(&self) -> String {
        format!("{}\n", self.body)
    }

    /// Returns the key, for sinks that need one.
    fn required_key(&self) -> Result<&str, DeliveryError> {
        let none = || {
            DeliveryError::Permanent("the message has no key: it was made for another kind of sink".into())
        };
        self.key.as_deref().filter(|key| !key.is_empty()).ok_or_else(none)
    }
}

/// The error if all numbers of a key are in use.
fn too_many(key: &str) -> DeliveryError {
    DeliveryError::Permanent(format!(
        "{MAX_KEY_NUMBER} other results have the key {key} already; use {{file}} or {{detection}} in it"
    ))
}

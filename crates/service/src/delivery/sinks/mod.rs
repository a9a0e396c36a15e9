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
/// is far above a normal write of a few kilobytes, and was not tuned by measurement. At half this value, deliveries to
/// a slow bucket fail more often and are repeated; at twice this value, messages to a sink that hangs are retried 20 s
/// later.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// Maximum number of results with the same key. Each attempt tests the numbers in order, so this value also limits the
/// requests of one delivery. More than a few results per key mean that the key template is wrong; the error is reported
/// when the number is reached.
const MAX_KEY_NUMBER: u32 = 10_000;

/// A message that is being delivered.
#[derive(Debug, Clone)]
pub(super) struct SinkMessage {
    /// Number of the message in the outbox.
    pub(super) id: i64,
    /// Permanent name of the message, by which a receiver recognizes a repeated delivery.
    pub(super) name: String,
    /// Type of the event: `start`, `update`, `final` or `change`.
    pub(super) event: String,
    /// Key of an object, or path below a folder; `None` for other kinds of sinks.
    pub(super) key: Option<String>,
    /// The text to deliver.
    pub(super) body: String,
}

/// The reason why a message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DeliveryError {
    /// Permanent failure: the sink will never accept the message.
    Permanent(String),
    /// Transient failure: a later attempt can succeed.
    Transient(String),
    /// Transient failure; the sink requested that the next attempt is made after this pause at the earliest.
    TransientAfter(String, Duration),
}

/// A destination of messages.
#[async_trait]
pub(super) trait Sink: Send + Sync {
    /// Delivers a message. An earlier attempt may have delivered it already.
    async fn deliver(&self, message: SinkMessage) -> Result<(), DeliveryError>;

    /// Returns the time after which a delivery is aborted and counts as failed.
    fn delivery_timeout(&self) -> Duration {
        DELIVERY_TIMEOUT
    }
}

/// Dependencies from which sinks are created.
pub(super) struct SinkContext {
    pub(super) cloud: CloudServices,
    pub(super) http: HttpSettings,
    pub(super) lines: SharedLineWriter,
}

impl SinkContext {
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
                // Each webhook has its own client: the timeout of the connection is a setting of the client, and a slow
                // receiver cannot use up the connections of others.
                let settings = HttpSettings { connect_timeout: *timeout, ..self.http.clone() };
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
            // Only an invalid request can never succeed. People can grant missing rights and create missing buckets, so
            // these messages are retried.
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

    /// Returns the content of files and objects: the body with a line end.
    fn text(&self) -> String {
        format!("{}\n", self.body)
    }

    /// Returns the key of the message. Without a key, the delivery fails permanently.
    fn required_key(&self) -> Result<&str, DeliveryError> {
        let none = || {
            DeliveryError::Permanent(
                "the message has no key, because its sink was of another kind when the message was stored"
                    .into(),
            )
        };
        self.key.as_deref().filter(|key| !key.is_empty()).ok_or_else(none)
    }
}

/// Returns the error for a key whose numbers are all in use.
fn too_many(key: &str) -> DeliveryError {
    DeliveryError::Permanent(format!(
        "{MAX_KEY_NUMBER} other results have the key {key} already; use {{file}} or {{detection}} in it"
    ))
}

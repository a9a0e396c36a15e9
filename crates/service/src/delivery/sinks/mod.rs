//! The kinds of sinks. Each is a small type that delivers one message at a time.

mod folder;
mod s3;
mod sns;
mod stdout;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use refrain_catalog::Delivery;
use refrain_net::{HttpClient, HttpSettings};

use super::courier::CourierError;
use super::envelope::{Envelope, EnvelopeError};
use crate::outside::{Outside, OutsideError, OutsideErrorKind};
use crate::settings::{SinkKind, SinkSettings};
pub use stdout::Lines;

/// Maximum duration of one delivery to a sink without its own timeout.
const PATIENCE: Duration = Duration::from_secs(20);

/// Maximum number of results with the same key. With more, the key template must be wrong.
const MOST_NUMBERS: u32 = 10_000;

/// A message that is being delivered.
#[derive(Debug, Clone)]
pub(super) struct Message {
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
pub(super) enum Undelivered {
    /// Permanent failure: the sink will never accept the message.
    Refused(String),
    /// Transient failure: a later attempt can succeed.
    Again(String),
    /// As [`Undelivered::Again`], but not before this time has passed.
    AgainAfter(String, Duration),
}

/// A destination of messages.
#[async_trait]
pub(super) trait Sink: Send + Sync {
    /// Delivers a message, which may have been delivered before.
    async fn deliver(&self, message: Message) -> Result<(), Undelivered>;

    /// Returns the maximum duration of a delivery.
    fn patience(&self) -> Duration {
        PATIENCE
    }
}

/// The context that sinks are created with.
pub(super) struct Makings<'a> {
    pub(super) outside: &'a Outside,
    pub(super) lines: Lines,
}

impl Makings<'_> {
    pub(super) fn sink(&self, settings: &SinkSettings) -> Result<Arc<dyn Sink>, CourierError> {
        let name = || settings.name.clone();
        let no_outside = |what| CourierError::NoOutside { sink: name(), what };
        Ok(match &settings.kind {
            SinkKind::S3 { bucket, .. } => {
                let objects = self.outside.objects.clone().ok_or_else(|| no_outside("buckets"))?;
                Arc::new(s3::S3 { objects, bucket: bucket.clone() })
            }
            SinkKind::Sns { topic } => {
                let topics = self.outside.topics.clone().ok_or_else(|| no_outside("topics"))?;
                Arc::new(sns::Sns { topics, topic: topic.clone() })
            }
            SinkKind::Webhook { url, secret, timeout, allow_private } => {
                let settings = HttpSettings { connect: *timeout, ..HttpSettings::default() };
                let client = HttpClient::new(settings)
                    .map_err(|source| CourierError::Client { sink: name(), source })?;
                let url =
                    url.expose().parse().map_err(|source| CourierError::Url { sink: name(), source })?;
                Arc::new(webhook::Webhook::new(client, url, secret.clone(), *timeout, *allow_private))
            }
            SinkKind::Folder { path, .. } => Arc::new(folder::Folder(path.clone())),
            SinkKind::Stdout => Arc::new(stdout::Stdout(self.lines.clone())),
        })
    }
}

impl From<OutsideError> for Undelivered {
    fn from(error: OutsideError) -> Self {
        match error.kind() {
            OutsideErrorKind::Invalid => Self::Refused(error.to_string()),
            _ => Self::Again(error.to_string()),
        }
    }
}

impl Message {
    /// Converts a row of the outbox to a message.
    pub(super) fn of(delivery: &Delivery) -> Result<Self, Undelivered> {
        let envelope = Envelope::parse(&delivery.payload).map_err(|error| match error {
            // During a rolling update, another process may already support this version.
            EnvelopeError::Newer(_) => Undelivered::Again(error.to_string()),
            EnvelopeError::Damaged(_) => Undelivered::Refused(error.to_string()),
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
    fn needed_key(&self) -> Result<&str, Undelivered> {
        let none =
            || Undelivered::Refused("the message has no key: it was made for another kind of sink".into());
        self.key.as_deref().filter(|key| !key.is_empty()).ok_or_else(none)
    }
}

/// The error if all numbers of a key are in use.
fn too_many(key: &str) -> Undelivered {
    Undelivered::Refused(format!(
        "{MOST_NUMBERS} other results have the key {key} already; use {{file}} or {{detection}} in it"
    ))
}

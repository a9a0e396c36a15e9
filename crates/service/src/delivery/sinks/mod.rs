//! Where messages go: each kind of sink is a small type that delivers one message.

mod folder;
mod s3;
mod sns;
mod stdout;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use refrain_catalog::Delivery;
use refrain_stream::http::{HttpClient, HttpSettings};

use super::courier::CourierError;
use super::envelope::{Envelope, EnvelopeError};
use crate::outside::{Outside, OutsideError, OutsideErrorKind};
use crate::settings::{SinkKind, SinkSettings};
pub use stdout::Lines;

/// Longest time of one delivery to a sink that has no time of its own.
const PATIENCE: Duration = Duration::from_secs(20);

/// Most results with one key before something must be wrong with the key.
const MOST_NUMBERS: u32 = 10_000;

/// A message on its way.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// Its number in the outbox.
    pub(super) id: i64,
    /// Names it for ever, so that who gets it twice can tell.
    pub(super) name: String,
    pub(super) event: String,
    /// Key of an object or path below a folder.
    pub(super) key: Option<String>,
    pub(super) body: String,
}

/// Why a message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undelivered {
    /// It will never be taken.
    Refused(String),
    /// Later it may be.
    Again(String),
    /// As [`Undelivered::Again`], not before this time has passed.
    AgainAfter(String, Duration),
}

/// A place that messages are delivered to.
#[async_trait]
pub(super) trait Sink: Send + Sync {
    /// Delivers a message. It may have been delivered before.
    async fn deliver(&self, message: Message) -> Result<(), Undelivered>;

    /// Longest time that a delivery takes.
    fn patience(&self) -> Duration {
        PATIENCE
    }
}

/// What sinks are made with.
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
    /// What a row of the outbox is to a sink.
    pub(super) fn of(delivery: &Delivery) -> Result<Self, Undelivered> {
        let envelope = Envelope::parse(&delivery.payload).map_err(|error| match error {
            // In the middle of an update others know it.
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

    /// What files and objects hold: the body as a line.
    fn text(&self) -> String {
        format!("{}\n", self.body)
    }

    /// The key of a message to a sink that needs one.
    fn needed_key(&self) -> Result<&str, Undelivered> {
        let none =
            || Undelivered::Refused("the message has no key: it was made for another kind of sink".into());
        self.key.as_deref().filter(|key| !key.is_empty()).ok_or_else(none)
    }
}

/// Every number was taken.
fn too_many(key: &str) -> Undelivered {
    Undelivered::Refused(format!(
        "{MOST_NUMBERS} other results have the key {key} already; use {{file}} or {{detection}} in it"
    ))
}

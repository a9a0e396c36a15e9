//! Sink that writes objects to a bucket.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{DeliveryError, MAX_KEY_NUMBER, Sink, SinkMessage, too_many};
use crate::cloud::{CloudError, CloudErrorKind, ObjectName, Objects, Put};
use crate::delivery::key::numbered;

/// Sink that writes each message to an object with the key of the message. No object is overwritten.
pub(super) struct S3 {
    pub(super) objects: Arc<dyn Objects>,
    pub(super) bucket: String,
}

#[async_trait]
impl Sink for S3 {
    async fn deliver(&self, message: SinkMessage) -> Result<(), DeliveryError> {
        let key = message.required_key()?;
        let text = Bytes::from(message.text());
        for number in 1..=MAX_KEY_NUMBER {
            let object = ObjectName { bucket: self.bucket.clone(), key: numbered(key, number) };
            match self.objects.write(&object, text.clone(), "application/json", Put::New).await {
                // The write is conditional, so the bucket accepts only one object per key. With a check before the
                // write, two processes could write the same key.
                Err(error) if error.kind() == CloudErrorKind::Conflict => {}
                done => return Ok(done?),
            }
            if self.holds(&object, &text).await? {
                return Ok(());
            }
        }
        Err(too_many(key))
    }
}

impl S3 {
    /// Returns true if the object has exactly this text. Then an earlier attempt wrote the object, but did not receive
    /// the response.
    async fn holds(&self, object: &ObjectName, text: &Bytes) -> Result<bool, CloudError> {
        let size = text.len() as u64;
        let facts = self.objects.facts(object).await?;
        Ok(facts.size == size && self.objects.read(object, 0..size, facts.etag.as_deref()).await? == *text)
    }
}

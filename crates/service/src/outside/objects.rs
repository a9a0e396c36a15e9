//! Objects in buckets.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use super::OutsideError;

/// Names an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// Its bucket.
    pub bucket: String,
    /// Its key, not encoded.
    pub key: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Bytes.
    pub size: u64,
    /// Names its content.
    pub etag: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// User metadata, names in lower case without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// When it was last written, milliseconds since 1970.
    pub modified_at: Option<i64>,
}

/// An object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written, milliseconds since 1970.
    pub modified_at: Option<i64>,
}

/// Whether a write may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// What is there is replaced.
    Replace,
    /// If something is there: an error of kind `Conflict`.
    New,
}

/// Buckets.
#[async_trait]
pub trait Objects: Send + Sync {
    /// What is known of an object.
    async fn facts(&self, object: &ObjectName) -> Result<ObjectFacts, OutsideError>;

    /// A part of an object, shorter only at its end. With an `etag`: kind `Conflict` if the object is another by now.
    async fn read(
        &self,
        object: &ObjectName,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, OutsideError>;

    /// The object's tags.
    async fn tags(&self, object: &ObjectName) -> Result<BTreeMap<String, String>, OutsideError>;

    /// Writes an object of `application/json` or whatever `content_type` says.
    async fn write(
        &self,
        object: &ObjectName,
        body: Bytes,
        content_type: &str,
        put: Put,
    ) -> Result<(), OutsideError>;

    /// A page (up to 1,000) of the keys under a prefix, in order, after the given one; empty at the end.
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<ListedObject>, OutsideError>;

    /// Deletes an object. Deleting a missing object succeeds.
    async fn delete(&self, object: &ObjectName) -> Result<(), OutsideError>;

    /// Whether the bucket is there and we may see it.
    async fn check_bucket(&self, bucket: &str) -> Result<(), OutsideError>;
}

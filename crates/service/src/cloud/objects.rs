//! Objects in buckets.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use super::CloudError;

/// Name of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// Bucket of the object.
    pub bucket: String,
    /// Key of the object, not encoded.
    pub key: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// Properties of an object that a bucket returns without the content of the object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Size in bytes.
    pub size: u64,
    /// Entity tag, which identifies the content; `None` if the store has none.
    pub etag: Option<String>,
    /// Value of `Content-Type`; `None` if the object has none.
    pub content_type: Option<String>,
    /// User metadata. The names are in lower case, without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// Time of the last write, in milliseconds since 1970; `None` if the store does not report it.
    pub modified_at: Option<i64>,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Key of the object.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last write, in milliseconds since 1970; `None` if the store does not report it.
    pub modified_at: Option<i64>,
}

/// Behavior of a write if the object exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is replaced.
    Replace,
    /// The write fails with an error of the kind `Conflict`.
    New,
}

/// Access to objects in buckets.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Returns the properties of an object.
    async fn facts(&self, object: &ObjectName) -> Result<ObjectFacts, CloudError>;

    /// Reads a range of the bytes of an object. The result is shorter than `range` only if the object ends earlier. If
    /// `etag` is given and the object has another entity tag now, the result is an error of the kind `Conflict`.
    async fn read(
        &self,
        object: &ObjectName,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, CloudError>;

    /// Returns the tags of an object.
    async fn tags(&self, object: &ObjectName) -> Result<BTreeMap<String, String>, CloudError>;

    /// Writes an object of the media type `content_type`, for example `application/json`.
    async fn write(
        &self,
        object: &ObjectName,
        body: Bytes,
        content_type: &str,
        put: Put,
    ) -> Result<(), CloudError>;

    /// Returns a page of up to 1,000 objects whose keys begin with `prefix`, in the order of their keys. The page
    /// begins after the key `after`; with `None`, at the first object. An empty page means that no objects are left.
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<ListedObject>, CloudError>;

    /// Deletes an object. Deleting a missing object succeeds.
    async fn delete(&self, object: &ObjectName) -> Result<(), CloudError>;

    /// Returns an error if the bucket does not exist, or if this process may not access it.
    async fn check_bucket(&self, bucket: &str) -> Result<(), CloudError>;
}

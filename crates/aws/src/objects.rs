//! Objects in S3 buckets.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use bytes::{Bytes, BytesMut};
use refrain_service::cloud::{
    CloudError, CloudErrorKind as Kind, ListedObject, ObjectFacts, ObjectName, Objects, Put,
};

use crate::error::{error_chain, failed, status_of};

/// Keys per page of a list: the maximum of S3.
const KEYS_PER_PAGE: i32 = 1_000;

/// Maximum number of bytes that are allocated in advance for a body, whatever its announced length, so that a wrong
/// length cannot exhaust the memory. For larger bodies, the buffer grows. At half this value, such bodies are copied
/// once more; at twice this value, each concurrent read can reserve 32 MB without having received a byte.
const MAX_RESERVED_BYTES: u64 = 16 * 1024 * 1024;

/// Permission for reading an object, as errors name it. Without `s3:ListBucket`, S3 answers "forbidden" instead of "not
/// found" for a missing object.
const READ_PERMISSION: &str =
    "s3:GetObject (without s3:ListBucket on the bucket, an object that is missing looks like this too)";

/// Buckets of S3 and of S3-compatible stores. Requires the permissions `s3:GetObject`, `s3:GetObjectTagging` and
/// `s3:PutObject` on objects and `s3:ListBucket` on buckets; [`Objects::delete`] also requires `s3:DeleteObject`.
#[derive(Debug, Clone)]
pub struct S3Objects {
    client: Client,
}

impl S3Objects {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Objects for S3Objects {
    async fn facts(&self, object: &ObjectName) -> Result<ObjectFacts, CloudError> {
        let call = self.client.head_object().bucket(&object.bucket).key(&object.key);
        let head = call
            .send()
            .await
            .map_err(|error| failed(&error, format!("cannot look at {object}"), READ_PERMISSION))?;
        let metadata = head.metadata.unwrap_or_default().into_iter();
        Ok(ObjectFacts {
            size: size(head.content_length),
            etag: head.e_tag,
            content_type: head.content_type,
            metadata: metadata.map(|(name, value)| (name.to_lowercase(), value)).collect(),
            modified_at: milliseconds(head.last_modified.as_ref()),
        })
    }

    async fn read(
        &self,
        object: &ObjectName,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, CloudError> {
        // HTTP ranges include their last byte, so an empty range cannot be requested. Its result is empty.
        let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else {
            return Ok(Bytes::new());
        };
        let call = self
            .client
            .get_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .range(format!("bytes={}-{last}", range.start))
            .set_if_match(etag.map(str::to_owned));
        match call.send().await {
            Ok(response) => body(object, response, &range).await,
            // The range starts behind the end of the object. As with a file, the result is empty.
            Err(error) if status_of(&error) == Some(416) => Ok(Bytes::new()),
            Err(error) => Err(failed(&error, format!("cannot read {object}"), READ_PERMISSION)),
        }
    }

    async fn tags(&self, object: &ObjectName) -> Result<BTreeMap<String, String>, CloudError> {
        let call = self.client.get_object_tagging().bucket(&object.bucket).key(&object.key);
        let response = call.send().await.map_err(|error| {
            failed(&error, format!("cannot read the tags of {object}"), "s3:GetObjectTagging")
        })?;
        Ok(response.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect())
    }

    async fn write(
        &self,
        object: &ObjectName,
        body: Bytes,
        content_type: &str,
        put: Put,
    ) -> Result<(), CloudError> {
        let only_new = (put == Put::New).then(|| "*".to_owned());
        // The body is in memory, so that the SDK can send it again after a failure and can send its checksum as a
        // header. S3-compatible stores support that header.
        let call = self
            .client
            .put_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .content_type(content_type)
            .set_if_none_match(only_new)
            .body(ByteStream::from(body));
        let written = call.send().await;
        written.map(drop).map_err(|error| failed(&error, format!("cannot write {object}"), "s3:PutObject"))
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<ListedObject>, CloudError> {
        let call = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .max_keys(KEYS_PER_PAGE)
            .set_start_after(after.map(str::to_owned));
        let page = call.send().await.map_err(|error| {
            failed(&error, format!("cannot list s3://{bucket}/{prefix}"), "s3:ListBucket")
        })?;
        let listed = |object: aws_sdk_s3::types::Object| {
            let modified_at = milliseconds(object.last_modified.as_ref());
            Some(ListedObject { key: object.key?, size: size(object.size), modified_at })
        };
        Ok(page.contents.unwrap_or_default().into_iter().filter_map(listed).collect())
    }

    async fn delete(&self, object: &ObjectName) -> Result<(), CloudError> {
        let call = self.client.delete_object().bucket(&object.bucket).key(&object.key);
        let deleted = call.send().await;
        deleted
            .map(drop)
            .map_err(|error| failed(&error, format!("cannot delete {object}"), "s3:DeleteObject"))
    }

    async fn check_bucket(&self, bucket: &str) -> Result<(), CloudError> {
        // HeadBucket needs the same permission, but its response has no body and therefore no reason for a failure.
        let result = self.client.list_objects_v2().bucket(bucket).max_keys(1).send().await;
        result
            .map(drop)
            .map_err(|error| failed(&error, format!("cannot list bucket {bucket}"), "s3:ListBucket"))
    }
}

/// Reads the body of a response. Returns at most the requested range, even if the store sends more.
async fn body(
    object: &ObjectName,
    response: GetObjectOutput,
    range: &Range<u64>,
) -> Result<Bytes, CloudError> {
    let requested = range.end - range.start;
    // Without this check the beginning of the object would be taken for the requested part. For a range from 0 on, the
    // bytes after the range are cut off below.
    if response.content_range.is_none() && range.start > 0 {
        let why = "the store ignored the requested range and sent the whole object";
        return Err(CloudError::new(Kind::Invalid, format!("cannot read {object}"), why));
    }
    let content_length = size(response.content_length).min(requested).min(MAX_RESERVED_BYTES);
    let mut bytes = BytesMut::with_capacity(usize::try_from(content_length).unwrap_or(0));
    let mut stream = response.body;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            let why = format!("the transfer failed after {} bytes: {}", bytes.len(), error_chain(&error));
            CloudError::new(Kind::Unavailable, format!("cannot read {object}"), why)
        })?;
        bytes.extend_from_slice(&chunk);
        // Stops reading a store that ignores the range, instead of downloading the whole object.
        if bytes.len() as u64 >= requested {
            bytes.truncate(usize::try_from(requested).unwrap_or(usize::MAX));
            break;
        }
    }
    Ok(bytes.freeze())
}

/// Converts a size. A missing size is 0, because S3 omits it for empty objects.
fn size(bytes: Option<i64>) -> u64 {
    bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or(0)
}

fn milliseconds(time: Option<&DateTime>) -> Option<i64> {
    time.and_then(|time| time.to_millis().ok())
}

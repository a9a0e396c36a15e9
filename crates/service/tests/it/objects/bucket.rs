//! A bucket in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use refrain_service::cloud::{
    CloudError, CloudErrorKind, ListedObject, ObjectFacts, ObjectName, Objects, Put,
};

/// Number of objects in a page of a list. It is small, so that tests have several pages.
const PAGE: usize = 3;

/// The bucket `b`, with the behavior of S3.
#[derive(Default)]
pub(crate) struct Bucket {
    state: Mutex<State>,
}

type DelayedAction = Box<dyn FnOnce(&Bucket) + Send>;

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    tags: HashMap<String, BTreeMap<String, String>>,
    versions: u64,
    /// Number of calls that fail and the error, by the name of the call.
    faults: HashMap<&'static str, (u32, CloudErrorKind)>,
    /// An action, and the number of reads until it runs.
    delayed_action: Option<(u32, DelayedAction)>,
    /// Number of writes by key.
    writes: HashMap<String, u32>,
    /// Length of the longest part that was read, in bytes.
    max_read: u64,
    /// Number of bytes that were read of all objects.
    read: u64,
}

#[derive(Clone)]
struct Object {
    body: Bytes,
    facts: ObjectFacts,
}

impl Bucket {
    /// Puts an object with a fixed time of its last change.
    pub(crate) fn put(&self, key: &str, body: impl Into<Bytes>) {
        self.put_at(key, body, 1_700_000_000_000);
    }

    /// Puts an object that was changed at `at`, milliseconds since 1970.
    pub(crate) fn put_at(&self, key: &str, body: impl Into<Bytes>, at: i64) {
        let body = body.into();
        let mut state = self.lock();
        state.versions += 1;
        let facts = ObjectFacts {
            size: body.len() as u64,
            etag: Some(format!("\"{}\"", state.versions)),
            modified_at: Some(at),
            ..ObjectFacts::default()
        };
        state.objects.insert(key.to_owned(), Object { body, facts });
    }

    /// Sets the metadata and the tags of an object.
    pub(crate) fn describe(&self, key: &str, metadata: &[(&str, &str)], tags: &[(&str, &str)]) {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        let mut state = self.lock();
        state.objects.get_mut(key).unwrap().facts.metadata = map(metadata);
        state.tags.insert(key.to_owned(), map(tags));
    }

    pub(crate) fn remove(&self, key: &str) {
        self.lock().objects.remove(key);
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.lock().objects.get(key).map(|object| String::from_utf8(object.body.to_vec()).unwrap())
    }

    pub(crate) fn json(&self, key: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(key).unwrap_or_else(|| panic!("no {key}"))).unwrap()
    }

    pub(crate) fn writes(&self, key: &str) -> u32 {
        self.lock().writes.get(key).copied().unwrap_or_default()
    }

    pub(crate) fn max_read_bytes(&self) -> u64 {
        self.lock().max_read
    }

    /// Returns the number of bytes that were read of all objects.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.lock().read
    }

    /// Makes the next `times` calls of this name fail.
    pub(crate) fn fail(&self, call: &'static str, times: u32, kind: CloudErrorKind) {
        self.lock().faults.insert(call, (times, kind));
    }

    /// Runs an action right before a read, after `reads` further reads.
    pub(crate) fn after_reads(&self, reads: u32, what: impl FnOnce(&Self) + Send + 'static) {
        self.lock().delayed_action = Some((reads, Box::new(what)));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn call(&self, name: &'static str, object: &ObjectName) -> Result<(), CloudError> {
        assert_eq!(object.bucket, "b");
        match self.lock().faults.get_mut(name) {
            Some((times @ 1.., kind)) => {
                *times -= 1;
                Err(CloudError::new(*kind, format!("cannot {name} {object}"), "as the test wants"))
            }
            _ => Ok(()),
        }
    }

    fn get(&self, object: &ObjectName) -> Result<Object, CloudError> {
        let missing = || CloudError::new(CloudErrorKind::NotFound, object.to_string(), "not there");
        self.lock().objects.get(&object.key).cloned().ok_or_else(missing)
    }
}

#[async_trait]
impl Objects for Bucket {
    async fn facts(&self, object: &ObjectName) -> Result<ObjectFacts, CloudError> {
        self.call("facts", object)?;
        Ok(self.get(object)?.facts)
    }

    async fn read(
        &self,
        object: &ObjectName,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, CloudError> {
        self.call("read", object)?;
        let due = {
            let mut state = self.lock();
            match &mut state.delayed_action {
                Some((0, _)) => state.delayed_action.take(),
                Some((reads, _)) => {
                    *reads -= 1;
                    None
                }
                None => None,
            }
        };
        if let Some((_, what)) = due {
            what(self);
        }
        let Object { body, facts } = self.get(object)?;
        if etag.is_some() && etag != facts.etag.as_deref() {
            return Err(CloudError::new(CloudErrorKind::Conflict, object.to_string(), "another one"));
        }
        assert!(range.start < range.end && range.end <= facts.size, "{range:?} of {}", facts.size);
        let mut state = self.lock();
        state.max_read = state.max_read.max(range.end - range.start);
        state.read += range.end - range.start;
        Ok(body.slice(range.start as usize..range.end as usize))
    }

    async fn tags(&self, object: &ObjectName) -> Result<BTreeMap<String, String>, CloudError> {
        self.call("tags", object)?;
        Ok(self.lock().tags.get(&object.key).cloned().unwrap_or_default())
    }

    async fn write(
        &self,
        object: &ObjectName,
        body: Bytes,
        content_type: &str,
        put: Put,
    ) -> Result<(), CloudError> {
        self.call("write", object)?;
        assert_eq!(content_type, "application/json");
        if put == Put::New && self.get(object).is_ok() {
            return Err(CloudError::new(CloudErrorKind::Conflict, object.to_string(), "there is one"));
        }
        *self.lock().writes.entry(object.key.clone()).or_default() += 1;
        self.put(&object.key, body);
        Ok(())
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<ListedObject>, CloudError> {
        self.call("list", &ObjectName { bucket: bucket.to_owned(), key: prefix.to_owned() })?;
        let state = self.lock();
        let all = state
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        let listed = |(key, object): (&String, &Object)| ListedObject {
            key: key.clone(),
            size: object.facts.size,
            modified_at: object.facts.modified_at,
        };
        Ok(all.map(listed).take(PAGE).collect())
    }

    async fn delete(&self, object: &ObjectName) -> Result<(), CloudError> {
        self.call("delete", object)?;
        self.lock().objects.remove(&object.key);
        Ok(())
    }

    async fn check_bucket(&self, bucket: &str) -> Result<(), CloudError> {
        assert_eq!(bucket, "b");
        Ok(())
    }
}

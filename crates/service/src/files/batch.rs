//! Processing of objects by command: all objects under a prefix, with progress reports.

use futures_util::StreamExt;
use refrain_catalog::Rule;
use refrain_core::audio::supported_extension;

use super::Files;
use super::attempt::Requester;
use super::check::{Checked, check};
use super::error::FilesError;
use super::index_object::{Indexed, index_object};
use super::object_key::extension;
use crate::cloud::{CloudErrorKind, ObjectName};

/// Number of objects that are prepared while all threads are busy, so that their requests to the bucket are done when a
/// thread is free. With 1, a thread sometimes waits for a request; with 4, more results of requests are kept in memory,
/// and the processing is not faster.
const PREPARED_OBJECTS: usize = 2;

/// An object, or all objects under a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Name of the bucket.
    pub bucket: String,
    /// A key, or a prefix of keys. An empty path selects all objects of the bucket.
    pub path: String,
}

impl Target {
    /// Parses `s3://bucket/key`, `s3://bucket/prefix/` or `s3://bucket`. Returns `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("s3://")?;
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        (!bucket.is_empty()).then(|| Self { bucket: bucket.to_owned(), path: path.to_owned() })
    }
}

/// An object that was processed.
#[derive(Debug)]
pub struct ProcessedObject<T> {
    /// The object.
    pub object: ObjectName,
    /// Size of the object in bytes.
    pub bytes: u64,
    /// Result of the processing.
    pub result: Result<T, FilesError>,
}

impl Files {
    /// Returns the objects of a target and their sizes in bytes, in the order of their keys. A path that does not end
    /// with `/` may be a key as well: if an object has this key, it is the only result, whatever its name. Under a
    /// prefix, objects without the extension of an audio format are left out, for example reports and metadata.
    ///
    /// # Errors
    /// [`FilesError::Cloud`] if the bucket cannot be listed, of the kind `NotFound` if no object was found.
    pub async fn objects(&self, target: &Target) -> Result<Vec<(ObjectName, u64)>, FilesError> {
        let named = |key: String| ObjectName { bucket: target.bucket.clone(), key };
        if !target.path.is_empty() && !target.path.ends_with('/') {
            let object = named(target.path.clone());
            // A key wins over a prefix of the same text. Otherwise `a.mp3` would also select `a.mp3.bak/…`.
            if let Some(facts) = self.shared.facts(&object).await? {
                return Ok(vec![(object, facts.size)]);
            }
        }
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.shared.objects.list(&target.bucket, &target.path, after.as_deref()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            let audio =
                page.into_iter().filter(|object| extension(&object.key).is_some_and(supported_extension));
            all.extend(audio.map(|object| (named(object.key), object.size)));
        }
        if all.is_empty() {
            let what = format!("s3://{}/{}", target.bucket, target.path);
            let why = "no audio files found; prefixes end with /";
            return Err(crate::cloud::CloudError::new(CloudErrorKind::NotFound, what, why).into());
        }
        Ok(all)
    }

    /// Checks objects, as many at once as there are threads. Objects that have reports are checked again. Calls
    /// `on_done` for each object when it is done, in the order of completion.
    pub async fn check_all(
        &self,
        objects: Vec<(ObjectName, u64)>,
        on_done: impl FnMut(ProcessedObject<Checked>),
    ) {
        let one = async |(object, bytes): (ObjectName, u64)| {
            let result = check(&self.shared, &object, Requester::Person).await;
            ProcessedObject { object, bytes, result }
        };
        self.each(objects, one, on_done).await;
    }

    /// Indexes objects, as many at once as there are threads. Tracks without a rule get `rule`; `None` leaves them
    /// without one. Calls `on_done` for each object when it is done, in the order of completion.
    pub async fn index_all(
        &self,
        objects: Vec<(ObjectName, u64)>,
        rule: Option<&Rule>,
        on_done: impl FnMut(ProcessedObject<Indexed>),
    ) {
        let one = async |(object, bytes): (ObjectName, u64)| {
            let result = index_object(&self.shared, &object, rule, Requester::Person).await;
            ProcessedObject { object, bytes, result }
        };
        self.each(objects, one, on_done).await;
    }

    async fn each<T>(
        &self,
        objects: Vec<(ObjectName, u64)>,
        one: impl AsyncFn((ObjectName, u64)) -> ProcessedObject<T>,
        mut on_done: impl FnMut(ProcessedObject<T>),
    ) {
        let at_once = self.shared.settings.jobs.max(1) + PREPARED_OBJECTS;
        let mut all = std::pin::pin!(
            futures_util::stream::iter(objects).map(|object| one(object)).buffer_unordered(at_once)
        );
        while let Some(done) = all.next().await {
            on_done(done);
        }
    }

    /// Aborts all reading. The processing of objects that are being read fails.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_s3_addresses_are_targets() {
        let of = |text: &str| Target::parse(text).map(|target| (target.bucket, target.path));
        let is = |bucket: &str, path: &str| Some((bucket.to_owned(), path.to_owned()));
        assert_eq!(of("s3://b/a b/é+.mp3"), is("b", "a b/é+.mp3"));
        assert_eq!((of("s3://b/"), of("s3://b")), (is("b", ""), is("b", "")));
        for text in ["", "s3://", "s3:///x", "https://b/x", "b/x"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}

//! The same by hand: all objects under a prefix, with progress.

use futures_util::StreamExt;
use refrain_catalog::Rule;
use refrain_core::audio::supported_extension;

use super::Files;
use super::attempt::Requester;
use super::check::{Checked, check};
use super::error::FilesError;
use super::learn::{Indexed, learn};
use super::route::extension;
use crate::outside::{ObjectName, OutsideErrorKind};

/// Objects that are asked for while all threads are busy: their first parts are there when a thread is free.
const AHEAD: usize = 2;

/// An object, or all under a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The bucket.
    pub bucket: String,
    /// A key, or what keys begin with. Empty: all of the bucket.
    pub path: String,
}

impl Target {
    /// From `s3://bucket/key`, `s3://bucket/prefix/` or `s3://bucket`; `None` if it is no such address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("s3://")?;
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        (!bucket.is_empty()).then(|| Self { bucket: bucket.to_owned(), path: path.to_owned() })
    }
}

/// An object that was worked on.
#[derive(Debug)]
pub struct Done<T> {
    /// Which.
    pub object: ObjectName,
    /// Bytes of it.
    pub bytes: u64,
    /// What became of it.
    pub result: Result<T, FilesError>,
}

impl Files {
    /// The objects of a target and their bytes, in order of key. A prefix that does not end with `/` may be a key as well;
    /// an object of that name is then all there is. Reports, metadata and what is not called like sound are left out, but
    /// not where they are named themselves.
    ///
    /// # Errors
    /// [`FilesError::Outside`] if the bucket cannot be listed; of kind `NotFound` if nothing is there.
    pub async fn objects(&self, target: &Target) -> Result<Vec<(ObjectName, u64)>, FilesError> {
        let named = |key: String| ObjectName { bucket: target.bucket.clone(), key };
        if !target.path.is_empty() && !target.path.ends_with('/') {
            let object = named(target.path.clone());
            if let Some(facts) = self.shared.facts(&object).await? {
                return Ok(vec![(object, facts.size)]);
            }
        }
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.shared.objects.list(&target.bucket, &target.path, after.as_deref()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            let sound =
                page.into_iter().filter(|object| extension(&object.key).is_some_and(supported_extension));
            all.extend(sound.map(|object| (named(object.key), object.size)));
        }
        if all.is_empty() {
            let what = format!("s3://{}/{}", target.bucket, target.path);
            let why = "there is no audio file; prefixes end with /";
            return Err(crate::outside::OutsideError::new(OutsideErrorKind::NotFound, what, why).into());
        }
        Ok(all)
    }

    /// Checks objects, also ones that have reports, as many at once as there are threads; `told` hears of each when it is
    /// done, in the order in which that is.
    pub async fn check_all(&self, objects: Vec<(ObjectName, u64)>, told: impl FnMut(Done<Checked>)) {
        let one = async |(object, bytes): (ObjectName, u64)| {
            let result = check(&self.shared, &object, Requester::Person).await;
            Done { object, bytes, result }
        };
        self.each(objects, one, told).await;
    }

    /// Learns objects, as many at once as there are threads; tracks without a rule by anybody get `rule`. `told` hears of
    /// each when it is done, in the order in which that is.
    pub async fn index_all(
        &self,
        objects: Vec<(ObjectName, u64)>,
        rule: Option<&Rule>,
        told: impl FnMut(Done<Indexed>),
    ) {
        let one = async |(object, bytes): (ObjectName, u64)| {
            let result = learn(&self.shared, &object, rule, Requester::Person).await;
            Done { object, bytes, result }
        };
        self.each(objects, one, told).await;
    }

    async fn each<T>(
        &self,
        objects: Vec<(ObjectName, u64)>,
        one: impl AsyncFn((ObjectName, u64)) -> Done<T>,
        mut told: impl FnMut(Done<T>),
    ) {
        let at_once = self.shared.settings.jobs.max(1) + AHEAD;
        let mut all = std::pin::pin!(
            futures_util::stream::iter(objects).map(|object| one(object)).buffer_unordered(at_once)
        );
        while let Some(done) = all.next().await {
            told(done);
        }
    }

    /// Ends reading at once: what is under way fails.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_addresses_of_s3() {
        let of = |text: &str| Target::parse(text).map(|target| (target.bucket, target.path));
        let is = |bucket: &str, path: &str| Some((bucket.to_owned(), path.to_owned()));
        assert_eq!(of("s3://b/a b/é+.mp3"), is("b", "a b/é+.mp3"));
        assert_eq!((of("s3://b/"), of("s3://b")), (is("b", ""), is("b", "")));
        for text in ["", "s3://", "s3:///x", "https://b/x", "b/x"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}

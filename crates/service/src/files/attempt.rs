//! Attempts to process an object. They are counted in the database, so that an object that kills the process is
//! quarantined after some retries.
//!
//! An attempt is counted when a thread is free for it, before the first byte is decoded. It is deleted when the work
//! ends, with any result. So the remaining attempts are those of objects that were being decoded when a process died.
//! These objects are retried one at a time: then an object that was not the cause of the death succeeds.

use std::sync::Arc;

use refrain_catalog::{MAX_DEATHS, ObjectVersion};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};

use super::error::FilesError;
use super::shared::FilesContext;
use crate::cloud::{ObjectFacts, ObjectName};

/// Origin of a request to process an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requester {
    /// A message of a queue. It is received again after a failure.
    Queue,
    /// A person. The attempts that were counted before are deleted.
    Person,
}

/// An attempt in progress. If it is dropped before [`Attempt::end`] is called, a background task records its end, so
/// that canceled work does not count as the death of a process.
pub(super) struct Attempt {
    shared: Arc<FilesContext>,
    object: ObjectVersion,
    is_ended: bool,
    _slot: Option<OwnedSemaphorePermit>,
    _alone: Option<OwnedMutexGuard<()>>,
}

impl Attempt {
    /// Waits until a thread is free, and counts the attempt.
    ///
    /// # Errors
    /// [`FilesError::Quarantined`] if the content has killed [`MAX_DEATHS`] processes; [`FilesError::Catalog`] if the
    /// database fails.
    pub(super) async fn begin(
        shared: &Arc<FilesContext>,
        object: &ObjectName,
        facts: &ObjectFacts,
        requester: Requester,
    ) -> Result<Self, FilesError> {
        let version = version_of(object, facts);
        let journal = shared.journal();
        // A person has decided to try again, so earlier deaths must not quarantine the object before it is decoded.
        if requester == Requester::Person {
            journal.end_attempt(&version).await?;
        }
        // The lock is acquired before the slot. A task that has a slot never waits for the lock, so no two tasks wait
        // for each other.
        let alone = match journal.attempts(&version).await? {
            0 => None,
            deaths => {
                tracing::warn!(
                    %object,
                    deaths,
                    max_deaths = MAX_DEATHS,
                    "processes died while they decoded the object; decoding it while no other such object is decoded, \
                     and quarantining it after max_deaths"
                );
                Some(Arc::clone(&shared.suspects).lock_owned().await)
            }
        };
        // The semaphore is never closed.
        let slot = Arc::clone(&shared.slots).acquire_owned().await.ok();
        if journal.begin_attempt(&version).await?.is_none() {
            return Err(FilesError::Quarantined(object.clone()));
        }
        let shared = Arc::clone(shared);
        Ok(Self { shared, object: version, is_ended: false, _slot: slot, _alone: alone })
    }

    /// Records that the work has ended without killing the process.
    pub(super) async fn end(mut self) {
        self.is_ended = true;
        if let Err(error) = self.shared.journal().end_attempt(&self.object).await {
            let ObjectVersion { bucket, key, .. } = &self.object;
            // The attempt then counts as a death. One death alone does not quarantine the object.
            let object = ObjectName { bucket: bucket.clone(), key: key.clone() };
            tracing::warn!(
                %object,
                %error,
                max_deaths = MAX_DEATHS,
                "cannot store that the attempt to decode the object has ended; it counts as the death of a process, \
                 and the object is quarantined after max_deaths"
            );
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        // Without a runtime the process is ending. The attempt then stays in the database and counts as a death.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (shared, object) = (Arc::clone(&self.shared), self.object.clone());
            runtime.spawn(async move { shared.journal().end_attempt(&object).await });
        }
    }
}

/// Returns the identity of an object's content. The identity includes the time of the upload, because uploading the
/// same bytes again is a person's decision to try again.
fn version_of(object: &ObjectName, facts: &ObjectFacts) -> ObjectVersion {
    // Size and time complete the ETag, because stores other than S3 can lack it.
    let etag = facts.etag.as_deref().unwrap_or_default();
    let version = format!("{etag} {} {}", facts.size, facts.modified_at.unwrap_or_default());
    ObjectVersion { bucket: object.bucket.clone(), key: object.key.clone(), version }
}

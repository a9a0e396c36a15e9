//! Attempts to process an input, counted so that an input that kills its process is not retried forever.

use async_trait::async_trait;

use super::stored::name_fault;
use crate::CatalogError;

/// Number of deaths after which an input is not processed any more: deaths of the process while it processed an object,
/// or deaths of the decoder of a stream. One death can have another reason, such as a restart or a lack of memory. With
/// 1 or 2, such an accident blocks a good file; with 6, a file that kills its process ends the work of the other
/// objects in that process twice as often.
pub const MAX_DEATHS: u32 = 3;

/// Number of deaths of the process while it began to decode a stream, after which the stream is not decoded any more.
/// It is higher than [`MAX_DEATHS`] because streams are decoded in separate processes: a death of the worker mostly has
/// another reason, and several workers can be killed shortly after each other. With 3, a test with fifty kills of
/// workers quarantined a healthy stream. With 12, a stream that does kill its worker ends twice as many of them first.
pub const MAX_WORKER_DEATHS: u32 = 6;

/// Number of deaths from which a worker takes a stream only while it has no other such stream that is not confirmed.
/// The next death is then caused by this stream, not by another one that the same worker claimed with it. With 1, all
/// streams of a worker that was killed once are claimed one by one, which makes take-overs slow; with 4, they have two
/// deaths less before they are quarantined together with the stream that causes the deaths.
pub const SUSPECT_DEATHS: u32 = 2;

/// One version of the content of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectVersion {
    /// Name of the bucket.
    pub bucket: String,
    /// Key of the object in the bucket.
    pub key: String,
    /// Identifies the content; each upload has a different value.
    pub version: String,
}

impl ObjectVersion {
    /// Returns the reason why the object cannot be stored, or `None` if it can.
    pub(crate) fn fault(&self) -> Option<String> {
        let Self { bucket, key, version } = self;
        // The three values together are the key of one index, so their total length is limited as well.
        name_fault("bucket", bucket)
            .or_else(|| name_fault("object", key))
            .or_else(|| name_fault("object", &format!("{bucket}{key}{version}")))
    }
}

/// An object with attempts to process it that have begun and have not ended in an orderly way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectAttempts {
    /// Version of the object.
    pub object: ObjectVersion,
    /// Number of attempts, 1 to [`MAX_DEATHS`]. One of them may still be running.
    pub attempts: u32,
    /// Time of the last attempt by the clock of the database, in milliseconds since the Unix epoch.
    pub updated_at: i64,
}

/// Evidence that decoding a stream does not kill its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamHealth {
    /// All audio that had arrived was decoded. Clears the deaths of the process.
    Works,
    /// The stream was decoded for minutes. Clears the deaths of its decoder as well.
    Healthy,
}

/// Counts of attempts and deaths. Part of [`crate::Journal`], whose guarantees apply.
#[async_trait]
pub trait Attempts: Send + Sync {
    /// Clears the deaths that were counted for a stream if the worker still holds it in that session (id and
    /// [`crate::Stream::started_at`]), and returns true if so.
    async fn confirm_stream(
        &self,
        owner: &str,
        session: (&str, i64),
        health: StreamHealth,
    ) -> Result<bool, CatalogError>;

    /// Counts a death of the decoder of a stream and returns the number of them ([`crate::Stream::decoder_deaths`]), or
    /// `None` if the worker does not hold the stream any more. The worker ends the stream at [`MAX_DEATHS`].
    async fn count_decoder_death(
        &self,
        owner: &str,
        session: (&str, i64),
    ) -> Result<Option<u32>, CatalogError>;

    /// Counts an attempt to process an object before it begins, and returns the number of attempts. Returns `None` and
    /// counts nothing if [`MAX_DEATHS`] attempts have not ended: the object must not be processed.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for names that are empty or longer than 2,000 bytes.
    async fn begin_attempt(&self, object: &ObjectVersion) -> Result<Option<u32>, CatalogError>;

    /// Returns the number of attempts that have begun for this version of an object and have not ended.
    async fn attempts(&self, object: &ObjectVersion) -> Result<u32, CatalogError>;

    /// Records that processing ended in an orderly way, whatever its result: deletes all attempts for this version of
    /// an object.
    async fn end_attempt(&self, object: &ObjectVersion) -> Result<(), CatalogError>;

    /// Returns objects with at least `at_least` attempts, the latest first.
    async fn open_attempts(&self, at_least: u32, limit: u32) -> Result<Vec<ObjectAttempts>, CatalogError>;

    /// Deletes attempts that last began, and remembered sessions that ended, before this time, and returns their
    /// number.
    async fn prune_state(&self, before: i64) -> Result<u64, CatalogError>;
}

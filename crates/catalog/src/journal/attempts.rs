//! Attempts to process an input, counted so that an input that kills its process is not retried forever.

use async_trait::async_trait;

use super::stored::name_fault;
use crate::CatalogError;

/// Number of deaths after which an object or a stream is not processed any more. For an object, these are deaths of the
/// process that processes it; for a stream, deaths of its decoder. A single death can have a reason other than the
/// input, such as a restart or a lack of memory. With 1 or 2, such an accident blocks a good file; with 6, a harmful
/// file interrupts the other objects in its process twice as often.
pub const MAX_DEATHS: u32 = 3;

/// Number of deaths of workers that began to decode a stream, after which the stream is not decoded any more. The limit
/// is higher than [`MAX_DEATHS`] because streams are decoded in separate processes: a worker mostly dies for another
/// reason, and several workers can be killed shortly after each other. With 3, a healthy stream was quarantined in a
/// test that killed workers fifty times. With 12, a stream that does kill its workers kills twice as many before it is
/// quarantined.
pub const MAX_WORKER_DEATHS: u32 = 6;

/// Number of deaths ([`crate::Stream::deaths`]) from which a stream is suspect: a worker claims a suspect stream only
/// after its previous suspect stream was confirmed. The next death of the worker is then caused by this stream, not by
/// another suspect that the worker claimed together with it. With 1, all streams of a worker that was killed once are
/// claimed one by one, which makes take-overs slow. With 4, healthy streams that were claimed together with the harmful
/// one come within two deaths of quarantine.
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

/// The attempts to process an object that have begun and have not ended in an orderly way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectAttempts {
    /// Version of the object.
    pub object: ObjectVersion,
    /// Number of attempts, 1 to [`MAX_DEATHS`]. One of them may still be running.
    pub attempts: u32,
    /// Time at which the last attempt began by the clock of the database, in milliseconds since the Unix epoch.
    pub updated_at: i64,
}

/// Evidence that decoding a stream does not kill its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamHealth {
    /// All audio that had been received was decoded, or the process has followed the stream for some seconds. Sets
    /// [`crate::Stream::deaths`] to 0.
    Works,
    /// The stream was followed for minutes without a death of its decoder. Sets [`crate::Stream::deaths`] and
    /// [`crate::Stream::decoder_deaths`] to 0.
    Healthy,
}

/// Counts attempts to process objects, and deaths of workers and decoders. Part of [`crate::Journal`], whose guarantees
/// apply.
#[async_trait]
pub trait Attempts: Send + Sync {
    /// Clears the death counts of a stream as described at [`StreamHealth`], if the worker `owner` still holds the
    /// lease of the stream in `session` (its id and [`crate::Stream::started_at`]). Returns false and changes nothing
    /// if the worker does not hold this lease any more.
    async fn confirm_stream(
        &self,
        owner: &str,
        session: (&str, i64),
        health: StreamHealth,
    ) -> Result<bool, CatalogError>;

    /// Counts a death of the decoder of a stream and returns the new [`crate::Stream::decoder_deaths`]. Returns `None`
    /// if the worker `owner` does not hold the lease of the stream in `session` any more. The worker fails the stream
    /// at [`MAX_DEATHS`].
    async fn count_decoder_death(
        &self,
        owner: &str,
        session: (&str, i64),
    ) -> Result<Option<u32>, CatalogError>;

    /// Counts an attempt to process an object before the attempt begins. Returns the number of attempts that have not
    /// ended, including this one. Returns `None` and counts nothing if [`MAX_DEATHS`] earlier attempts have not ended:
    /// the object must not be processed.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] if the bucket or the key is empty, or if bucket, key and version together are longer
    /// than 2,000 bytes.
    async fn begin_attempt(&self, object: &ObjectVersion) -> Result<Option<u32>, CatalogError>;

    /// Returns the number of attempts that have begun for this version of an object and have not ended.
    async fn attempts(&self, object: &ObjectVersion) -> Result<u32, CatalogError>;

    /// Records that processing ended in an orderly way, whatever its result: deletes all attempts for this version of
    /// an object.
    async fn end_attempt(&self, object: &ObjectVersion) -> Result<(), CatalogError>;

    /// Returns at most `limit` objects with at least `at_least` attempts that have not ended, the latest first.
    async fn open_attempts(&self, at_least: u32, limit: u32) -> Result<Vec<ObjectAttempts>, CatalogError>;

    /// Deletes the attempts of objects whose last attempt began before `before`, and the ends of sessions before that
    /// time ([`crate::StreamRegistry::record_session_end`]). `before` is in milliseconds since the Unix epoch. Returns
    /// the number of deleted records.
    async fn prune_state(&self, before: i64) -> Result<u64, CatalogError>;
}

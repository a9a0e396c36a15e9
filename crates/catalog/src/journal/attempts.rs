//! Attempts to process an input, counted so that an input that kills its process is not retried forever.

use super::stored::name_fault;

/// Deaths of the process while it processed an object, or of the decoder of a stream, after which the object or the stream is
/// not processed any more.
pub const MAX_DEATHS: u32 = 3;

/// Deaths of the process while it began to decode a stream, after which the stream is not decoded any more. More than
/// [`MAX_DEATHS`], because streams are decoded in processes of their own: a death of the worker mostly has another reason, and
/// several workers can be killed shortly after each other.
pub const MAX_WORKER_DEATHS: u32 = 6;

/// Deaths after which a worker takes a stream only while it has no other such stream that has not worked yet. The next
/// death then is the fault of this stream, and not of one that the same worker took with it.
pub const SUSPECT_DEATHS: u32 = 2;

/// One content of one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectVersion {
    /// Name of its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Names the content: another one after each upload.
    pub version: String,
}

impl ObjectVersion {
    /// The reason why the object cannot be stored, if there is one.
    pub(crate) fn fault(&self) -> Option<String> {
        let Self { bucket, key, version } = self;
        // The three are in one index.
        name_fault("bucket", bucket)
            .or_else(|| name_fault("object", key))
            .or_else(|| name_fault("object", &format!("{bucket}{key}{version}")))
    }
}

/// An object whose processing has begun and not ended in an orderly way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectAttempts {
    /// The object.
    pub object: ObjectVersion,
    /// Attempts, 1 to [`MAX_DEATHS`]. One of them may be going on now.
    pub attempts: u32,
    /// Time of the last attempt by the clock of the database, milliseconds since 1970.
    pub updated_at: i64,
}

/// The evidence that a stream does not kill its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamHealth {
    /// All that had arrived was decoded. Clears the deaths of the process.
    Works,
    /// It has worked for minutes. Clears the deaths of its decoder as well.
    Healthy,
}

/// The lease under which a detection is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder<'a> {
    /// Id of the stream.
    pub stream: &'a str,
    /// Start of its session, [`crate::Stream::started_at`].
    pub started_at: i64,
    /// Owner of the lease.
    pub owner: &'a str,
}

/// The result of [`crate::Journal::record_held`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// The detection and its messages are stored.
    Stored,
    /// A newer state of the detection was stored before. Nothing was changed.
    Older,
    /// Another worker holds the stream. Nothing was changed.
    NotHeld,
}

//! Reads an object like a file: in parts, where the next part is fetched while the current one is processed.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use refrain_catalog::ContentHash;
use refrain_core::audio::Seekable;
use refrain_net::Backoff;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::digest::Digest;
use crate::cloud::{CloudError, CloudErrorKind, ObjectFacts, ObjectName, Objects};

/// Size of the first part after a jump, in bytes. Demuxers often read a few bytes there and jump again. At half this
/// value, a header needs two requests; at twice this value, each jump fetches more bytes that are never read.
const FIRST_PART_BYTES: u64 = 128 << 10;

/// Maximum size of a part, in bytes. Each part that follows without a jump has four times the size of the previous one.
/// There are at most five parts: the current one, the next one, one whose fetch a jump has left in progress, and two of
/// a dropped reader. At twice this value, a thread holds up to 20 MB; at half this value, a file needs twice the
/// requests.
const MAX_PART_BYTES: u64 = 2 << 20;

/// Maximum number of attempts to fetch a part. All attempts and their pauses last some 3 s; then reading fails and the
/// message is retried.
const MAX_ATTEMPTS: u32 = 5;

/// Minimum and maximum pause between two attempts. They are short, because a thread of the pool waits during a pause.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));

/// An object in the version that its facts describe. Reading fails as soon as the object has been replaced.
#[derive(Clone)]
pub(super) struct ObjectSource {
    objects: Arc<dyn Objects>,
    name: ObjectName,
    etag: Option<String>,
    size: u64,
    runtime: Handle,
    stop: CancellationToken,
    failure: Arc<Mutex<Option<CloudError>>>,
    digest: Digest,
    /// Parts of a reader that was dropped, if there is one. The next reader usually continues there.
    leftover: Arc<Mutex<Option<FetchedParts>>>,
}

impl ObjectSource {
    /// Creates a source for the object with these facts. Must be called on a tokio runtime, which then fetches the
    /// parts. When `stop` is cancelled, reading fails.
    pub(super) fn new(
        objects: Arc<dyn Objects>,
        name: ObjectName,
        facts: &ObjectFacts,
        stop: CancellationToken,
    ) -> Self {
        Self {
            objects,
            name,
            etag: facts.etag.clone(),
            size: facts.size,
            runtime: Handle::current(),
            stop,
            failure: Arc::default(),
            digest: Digest::default(),
            leftover: Arc::default(),
        }
    }

    /// Returns the name of the object.
    pub(super) fn name(&self) -> &ObjectName {
        &self.name
    }

    /// Returns the size of the object in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns a reader from the start of the object. Reading blocks, so it must not be done on threads of the runtime.
    pub(super) fn open(&self) -> ObjectReader {
        ObjectReader { source: self.clone(), position: 0, parts: FetchedParts::default() }
    }

    /// Returns a reader as [`Self::open`] does, in the form that decoders accept.
    pub(super) fn searchable(&self) -> Box<dyn Seekable> {
        Box::new(self.open())
    }

    /// Returns the BLAKE3 hash of the whole object. Fetches the bytes that its readers have not read in order yet.
    /// Blocks, as reading does.
    ///
    /// # Errors
    /// If the object cannot be read; [`Self::failure`] has the reason.
    pub(super) fn content_hash(&self) -> io::Result<ContentHash> {
        let mut rest = self.open();
        rest.seek(SeekFrom::Start(self.digest.hashed()))?;
        io::copy(&mut rest, &mut io::sink())?;
        Ok(self.digest.value())
    }

    /// Returns the error of the first read that failed, if any. Decoders do not return this error.
    pub(super) fn failure(&self) -> Option<CloudError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, error: CloudError) -> io::Error {
        let kind = match error.kind() {
            CloudErrorKind::NotFound => io::ErrorKind::NotFound,
            CloudErrorKind::Denied => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::Other,
        };
        let text = error.to_string();
        // Only the first error is kept. Later reads fail because of it, and would hide the cause.
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        io::Error::new(kind, text)
    }

    fn start_fetch(&self, start: u64, length: u64) -> Prefetch {
        let (source, end) = (self.clone(), start.saturating_add(length).min(self.size));
        Prefetch { start, end, bytes: self.runtime.spawn(async move { source.fetch(start, end).await }) }
    }

    /// Fetches a part completely, with up to [`MAX_ATTEMPTS`] attempts.
    async fn fetch(&self, start: u64, end: u64) -> Result<Bytes, CloudError> {
        let mut backoff = Backoff::new(PAUSES);
        loop {
            let read = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(self.stopped()),
                read = self.objects.read(&self.name, start..end, self.etag.as_deref()) => read,
            };
            let error = match read {
                Ok(bytes) if bytes.len() as u64 == end - start => return Ok(bytes),
                Ok(bytes) => self.short(bytes.len() as u64, end - start),
                Err(error) if !error.is_transient() => return Err(error),
                Err(error) => error,
            };
            if backoff.tries() + 1 >= MAX_ATTEMPTS {
                return Err(error);
            }
            tracing::debug!(
                object = %self.name,
                start,
                end,
                attempt = backoff.tries() + 1,
                max_attempts = MAX_ATTEMPTS,
                %error,
                "cannot fetch a range of bytes of the object, retrying"
            );
            tokio::select! {
                () = self.stop.cancelled() => return Err(self.stopped()),
                () = sleep(backoff.next()) => {}
            }
        }
    }

    fn short(&self, received: u64, wanted: u64) -> CloudError {
        let why = format!("received {received} of {wanted} bytes");
        CloudError::new(CloudErrorKind::Unavailable, format!("cannot read {}", self.name), why)
    }

    fn stopped(&self) -> CloudError {
        let why = "this process is ending";
        CloudError::new(CloudErrorKind::Unavailable, format!("cannot read {}", self.name), why)
    }
}

/// A part of an object, with its position.
#[derive(Default)]
struct FetchedPart {
    start: u64,
    bytes: Bytes,
}

impl FetchedPart {
    /// Returns the bytes of the part from a position in the object on; empty if the position is outside the part.
    fn from(&self, position: u64) -> &[u8] {
        let within = position.checked_sub(self.start).and_then(|offset| usize::try_from(offset).ok());
        within.and_then(|offset| self.bytes.get(offset..)).unwrap_or_default()
    }
}

/// A part that is being fetched. Dropping it aborts the fetch.
struct Prefetch {
    start: u64,
    end: u64,
    bytes: JoinHandle<Result<Bytes, CloudError>>,
}

impl Prefetch {
    fn contains(&self, position: u64) -> bool {
        (self.start..self.end).contains(&position)
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.bytes.abort();
    }
}

/// The parts that a reader holds.
#[derive(Default)]
struct FetchedParts {
    current: FetchedPart,
    prefetch: Option<Prefetch>,
    /// Number of parts that followed each other without a jump.
    sequential_parts: u32,
}

impl FetchedParts {
    fn contain(&self, position: u64) -> bool {
        !self.current.from(position).is_empty()
            || self.prefetch.as_ref().is_some_and(|prefetch| prefetch.contains(position))
    }
}

/// Reader of an object. It blocks, so it must not be used on threads of the runtime.
pub(super) struct ObjectReader {
    source: ObjectSource,
    position: u64,
    parts: FetchedParts,
}

impl ObjectReader {
    /// Loads the part that contains the current position, unless it is loaded already. Blocks until the part is
    /// fetched.
    ///
    /// # Errors
    /// If this or an earlier fetch failed; [`ObjectSource::failure`] has the reason.
    fn load_part(&mut self) -> io::Result<()> {
        if let Some(error) = self.source.failure() {
            return Err(self.source.fail(error));
        }
        self.continue_dropped_reader();
        if !self.parts.current.from(self.position).is_empty() {
            return Ok(());
        }
        let position = self.position;
        let prefetch = self.parts.prefetch.take().filter(|prefetch| prefetch.contains(position));
        self.parts.sequential_parts = if prefetch.is_some() { self.parts.sequential_parts + 1 } else { 0 };
        // Frees the memory of the old part before the new one arrives.
        self.parts.current = FetchedPart::default();
        let mut prefetch = prefetch.unwrap_or_else(|| self.source.start_fetch(position, FIRST_PART_BYTES));
        let bytes = match self.source.runtime.block_on(&mut prefetch.bytes) {
            Ok(fetched) => fetched.map_err(|error| self.source.fail(error))?,
            Err(_) => return Err(self.source.fail(self.source.stopped())),
        };
        self.parts.current = FetchedPart { start: prefetch.start, bytes };
        Ok(())
    }

    /// Takes the parts of a dropped reader if they contain the current position and the parts of this reader do not.
    fn continue_dropped_reader(&mut self) {
        let mut leftover = self.source.leftover.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.parts.contain(self.position)
            && let Some(parts) = leftover.take_if(|parts| parts.contain(self.position))
        {
            self.parts = parts;
        }
    }

    /// Starts to fetch the next part when half of the current one is read. An earlier fetch is often useless: after it
    /// has read only a header, a decoder usually jumps.
    fn fetch_ahead(&mut self) {
        let FetchedPart { start, bytes } = &self.parts.current;
        let (half, next) = (start + bytes.len() as u64 / 2, start + bytes.len() as u64);
        if self.parts.prefetch.is_none() && self.position >= half && next < self.source.size {
            let growth = 4_u64.saturating_pow(self.parts.sequential_parts + 1);
            let length = FIRST_PART_BYTES.saturating_mul(growth).min(MAX_PART_BYTES);
            self.parts.prefetch = Some(self.source.start_fetch(next, length));
        }
    }
}

impl Drop for ObjectReader {
    fn drop(&mut self) {
        let mut leftover = self.source.leftover.lock().unwrap_or_else(PoisonError::into_inner);
        *leftover = Some(std::mem::take(&mut self.parts));
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.source.size || buffer.is_empty() {
            return Ok(0);
        }
        if self.parts.current.from(self.position).is_empty() {
            self.load_part()?;
        }
        let count = self.parts.current.from(self.position).read(buffer)?;
        self.source.digest.add(self.position, buffer.get(..count).unwrap_or_default());
        self.position += count as u64;
        self.fetch_ahead();
        Ok(count)
    }
}

impl Seek for ObjectReader {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let to = match target {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.source.size.checked_add_signed(by),
        };
        self.position = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

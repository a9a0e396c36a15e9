//! An object read like a file: in parts, the next one fetched while one is worked on.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use refrain_catalog::ContentHash;
use refrain_core::audio::Searchable;
use refrain_stream::Backoff;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::digest::Digest;
use crate::outside::{ObjectFacts, ObjectName, Objects, OutsideError, OutsideErrorKind};

/// Bytes of the first part after a jump: demuxers often look at a few bytes there and jump again.
const FIRST_PART: u64 = 128 << 10;

/// Bytes of a part at most; each further one in a row has four times as many. There are never more than five of them: the
/// one that is read, the one that is ahead, the one that a jump has left under way, and two of a dropped reader.
const LARGEST_PART: u64 = 2 << 20;

/// How often a part is asked for.
const TRIES: u32 = 5;

/// Pauses between the tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));

/// An object as it was when its facts were asked for. Once it is another one, all reading fails.
#[derive(Clone)]
pub(super) struct ObjectSource {
    objects: Arc<dyn Objects>,
    name: ObjectName,
    etag: Option<String>,
    size: u64,
    runtime: Handle,
    stop: CancellationToken,
    failure: Arc<Mutex<Option<OutsideError>>>,
    digest: Digest,
    /// Parts of a reader that was dropped: the next reader usually continues there.
    left: Arc<Mutex<Option<Parts>>>,
}

impl ObjectSource {
    /// The object with these facts. Called on a tokio runtime, which then does the fetching; when `stop` is cancelled,
    /// reading fails.
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
            left: Arc::default(),
        }
    }

    /// What it is called.
    pub(super) fn name(&self) -> &ObjectName {
        &self.name
    }

    /// Bytes of it.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Its bytes from the start. Reading waits, so it has to be done off the runtime's threads.
    pub(super) fn open(&self) -> ObjectReader {
        ObjectReader { source: self.clone(), position: 0, parts: Parts::default() }
    }

    /// The same as the decoder takes it.
    pub(super) fn searchable(&self) -> Box<dyn Searchable> {
        Box::new(self.open())
    }

    /// BLAKE3 of all its bytes. Fetches those that its readers have not passed on in order yet. Waits, as reading does.
    ///
    /// # Errors
    /// If the object cannot be read; [`Self::failure`] has the reason.
    pub(super) fn content_hash(&self) -> io::Result<ContentHash> {
        let mut rest = self.open();
        rest.seek(SeekFrom::Start(self.digest.hashed()))?;
        io::copy(&mut rest, &mut io::sink())?;
        Ok(self.digest.value())
    }

    /// Why reading failed, if it did: decoders do not tell.
    pub(super) fn failure(&self) -> Option<OutsideError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, error: OutsideError) -> io::Error {
        let kind = match error.kind() {
            OutsideErrorKind::NotFound => io::ErrorKind::NotFound,
            OutsideErrorKind::Denied => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::Other,
        };
        let text = error.to_string();
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        io::Error::new(kind, text)
    }

    fn begin(&self, start: u64, length: u64) -> Ahead {
        let (source, end) = (self.clone(), start.saturating_add(length).min(self.size));
        Ahead { start, end, bytes: self.runtime.spawn(async move { source.fetch(start, end).await }) }
    }

    /// A part, whole, however often it has to be asked for.
    async fn fetch(&self, start: u64, end: u64) -> Result<Bytes, OutsideError> {
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
            if backoff.tries() + 1 >= TRIES {
                return Err(error);
            }
            tracing::debug!(object = %self.name, %error, "a part is asked for again");
            tokio::select! {
                () = self.stop.cancelled() => return Err(self.stopped()),
                () = sleep(backoff.next()) => {}
            }
        }
    }

    fn short(&self, came: u64, wanted: u64) -> OutsideError {
        let why = format!("{came} bytes came of {wanted}");
        OutsideError::new(OutsideErrorKind::Unavailable, format!("cannot read {}", self.name), why)
    }

    fn stopped(&self) -> OutsideError {
        let why = "this process is ending";
        OutsideError::new(OutsideErrorKind::Unavailable, format!("cannot read {}", self.name), why)
    }
}

/// Bytes from a place on.
#[derive(Default)]
struct Part {
    start: u64,
    bytes: Bytes,
}

impl Part {
    /// What it has from a position on; empty if it has nothing there.
    fn from(&self, position: u64) -> &[u8] {
        let within = position.checked_sub(self.start).and_then(|offset| usize::try_from(offset).ok());
        within.and_then(|offset| self.bytes.get(offset..)).unwrap_or_default()
    }
}

/// A part that is being fetched; it is given up when this is dropped.
struct Ahead {
    start: u64,
    end: u64,
    bytes: JoinHandle<Result<Bytes, OutsideError>>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.bytes.abort();
    }
}

/// What a reader has of an object.
#[derive(Default)]
struct Parts {
    current: Part,
    ahead: Option<Ahead>,
    /// Parts that were read one after the other.
    in_a_row: u32,
}

impl Parts {
    fn contain(&self, position: u64) -> bool {
        !self.current.from(position).is_empty()
            || self.ahead.as_ref().is_some_and(|ahead| (ahead.start..ahead.end).contains(&position))
    }
}

/// Reads an object, off the runtime's threads.
pub(super) struct ObjectReader {
    source: ObjectSource,
    position: u64,
    parts: Parts,
}

impl ObjectReader {
    /// Makes the part at the position the current one.
    fn turn(&mut self) -> io::Result<()> {
        if let Some(error) = self.source.failure() {
            return Err(self.source.fail(error));
        }
        self.continue_dropped_reader();
        if !self.parts.current.from(self.position).is_empty() {
            return Ok(());
        }
        let position = self.position;
        let ahead = self.parts.ahead.take().filter(|ahead| (ahead.start..ahead.end).contains(&position));
        self.parts.in_a_row = if ahead.is_some() { self.parts.in_a_row + 1 } else { 0 };
        // The old part goes before the new one comes.
        self.parts.current = Part::default();
        let mut ahead = ahead.unwrap_or_else(|| self.source.begin(position, FIRST_PART));
        let bytes = match self.source.runtime.block_on(&mut ahead.bytes) {
            Ok(fetched) => fetched.map_err(|error| self.source.fail(error))?,
            Err(_) => return Err(self.source.fail(self.source.stopped())),
        };
        self.parts.current = Part { start: ahead.start, bytes };
        Ok(())
    }

    /// Takes the parts of a dropped reader if they have the bytes that this one lacks.
    fn continue_dropped_reader(&mut self) {
        let mut left = self.source.left.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.parts.contain(self.position)
            && let Some(parts) = left.take_if(|parts| parts.contain(self.position))
        {
            self.parts = parts;
        }
    }

    /// Starts to fetch the next part when half of the current one is read: a header alone is usually followed by a jump.
    fn fetch_ahead(&mut self) {
        let Part { start, bytes } = &self.parts.current;
        let (half, next) = (start + bytes.len() as u64 / 2, start + bytes.len() as u64);
        if self.parts.ahead.is_none() && self.position >= half && next < self.source.size {
            let growth = 4_u64.saturating_pow(self.parts.in_a_row + 1);
            let length = FIRST_PART.saturating_mul(growth).min(LARGEST_PART);
            self.parts.ahead = Some(self.source.begin(next, length));
        }
    }
}

impl Drop for ObjectReader {
    fn drop(&mut self) {
        let mut left = self.source.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = Some(std::mem::take(&mut self.parts));
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.source.size || buffer.is_empty() {
            return Ok(0);
        }
        if self.parts.current.from(self.position).is_empty() {
            self.turn()?;
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

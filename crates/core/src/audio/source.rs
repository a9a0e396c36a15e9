//! Byte sources for demuxers: seekable files and forward-only streams.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use symphonia::core::io::MediaSource;

/// Number of bytes per read from the system: large enough for few calls, small enough for the second-level cache. At
/// twice of it, a seek discards more data that was read in vain; at half, sequential reading takes twice as many system
/// calls.
const BLOCK: usize = 128 << 10;

/// Keeps the first I/O error of a source. Decoders wrap, replace or swallow I/O errors; their own errors do not
/// distinguish a failed read from a file that ends early.
#[derive(Debug, Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    /// Takes the first error since the last call.
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns true if no read has failed since the last call of [`Failure::take`].
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn keep(&self, error: &io::Error) {
        // `io::Error` cannot be cloned. The demuxer gets the original, and the copy keeps its code or its text.
        let copy = error
            .raw_os_error()
            .map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(copy);
    }
}

/// An untrusted byte stream that cannot seek.
pub(super) type Stream = Box<dyn Read + Send + Sync>;

/// An untrusted byte source that can seek, such as a file.
pub trait Searchable: Read + Seek + Send + Sync {}

impl<T: Read + Seek + Send + Sync> Searchable for T {}

enum Inner {
    File { reader: BufReader<Box<dyn Searchable>>, position: u64, length: u64 },
    Stream(BufReader<Stream>),
}

/// A buffered byte source with the interface that the demuxers need.
pub(super) struct Source {
    inner: Inner,
    failure: Failure,
}

impl Source {
    /// Creates a source from the start of a regular file, or of another seekable source, with a length of `length`
    /// bytes.
    pub(super) fn file(mut file: Box<dyn Searchable>, length: u64) -> io::Result<Self> {
        file.rewind()?;
        let reader = BufReader::with_capacity(BLOCK, file);
        Ok(Self { inner: Inner::File { reader, position: 0, length }, failure: Failure::default() })
    }

    /// Creates a source that cannot seek.
    pub(super) fn stream(stream: Stream) -> Self {
        Self { inner: Inner::Stream(BufReader::with_capacity(BLOCK, stream)), failure: Failure::default() }
    }

    /// Returns the [`Failure`] that keeps the first I/O error of this source.
    pub(super) fn failure(&self) -> Failure {
        self.failure.clone()
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = match &mut self.inner {
                Inner::File { reader, .. } => reader.read(buffer),
                Inner::Stream(reader) => reader.read(buffer),
            };
            match result {
                Ok(count) => {
                    if let Inner::File { position, .. } = &mut self.inner {
                        *position += count as u64;
                    }
                    return Ok(count);
                }
                // Some demuxers take every error for the end of the file, so interrupted reads are repeated here.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure.keep(&error);
                    return Err(error);
                }
            }
        }
    }
}

impl Seek for Source {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let Inner::File { reader, position, .. } = &mut self.inner else {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        };
        match target {
            // Short jumps, as between the audio packets of a film, stay within the buffer, which `seek` would
            // discard.
            SeekFrom::Start(to) => match i64::try_from(i128::from(to) - i128::from(*position)) {
                Ok(offset) => {
                    reader.seek_relative(offset)?;
                    *position = to;
                }
                Err(_) => *position = reader.seek(target)?,
            },
            _ => *position = reader.seek(target)?,
        }
        Ok(*position)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        matches!(self.inner, Inner::File { .. })
    }

    fn byte_len(&self) -> Option<u64> {
        match self.inner {
            Inner::File { length, .. } => Some(length),
            Inner::Stream(_) => None,
        }
    }
}

//! Byte sources for demuxers: seekable files and forward-only streams.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use symphonia::core::io::MediaSource;

/// Number of bytes per read from the operating system. At half this value, sequential reading takes twice as many
/// system calls. At twice this value, a seek discards more data that was already read.
const READ_BUFFER_BYTES: usize = 128 << 10;

/// Keeps the first I/O error of a source. It is needed because demuxers and decoders replace or ignore I/O errors, so
/// that their errors do not distinguish a failed read from a file that ends early.
#[derive(Debug, Clone, Default)]
pub(super) struct FirstError(Arc<Mutex<Option<io::Error>>>);

impl FirstError {
    /// Returns the first error since the last call, or `None` if no read has failed since then.
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns true if no read has failed since the last call of [`FirstError::take`].
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn record(&self, error: &io::Error) {
        // `io::Error` cannot be cloned. The demuxer gets the original error, and the copy has the same code or text.
        let copy = error
            .raw_os_error()
            .map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(copy);
    }
}

/// A byte stream with untrusted content that cannot seek.
pub(super) type ByteStream = Box<dyn Read + Send + Sync>;

/// A byte source with untrusted content that can seek, such as a file.
pub trait Seekable: Read + Seek + Send + Sync {}

impl<T: Read + Seek + Send + Sync> Seekable for T {}

enum SourceBackend {
    File { reader: BufReader<Box<dyn Seekable>>, position: u64, length: u64 },
    ByteStream(BufReader<ByteStream>),
}

/// A buffered byte source with the interface that the demuxers of symphonia need.
pub(super) struct ByteSource {
    inner: SourceBackend,
    first_error: FirstError,
}

impl ByteSource {
    /// Creates a source that can seek, from a file or another seekable source of `length` bytes. Reading begins at its
    /// start.
    pub(super) fn file(mut file: Box<dyn Seekable>, length: u64) -> io::Result<Self> {
        file.rewind()?;
        let reader = BufReader::with_capacity(READ_BUFFER_BYTES, file);
        Ok(Self {
            inner: SourceBackend::File { reader, position: 0, length },
            first_error: FirstError::default(),
        })
    }

    /// Creates a source that cannot seek. Its length is unknown.
    pub(super) fn stream(stream: ByteStream) -> Self {
        Self {
            inner: SourceBackend::ByteStream(BufReader::with_capacity(READ_BUFFER_BYTES, stream)),
            first_error: FirstError::default(),
        }
    }

    /// Returns the [`FirstError`] that keeps the first I/O error of this source.
    pub(super) fn first_error(&self) -> FirstError {
        self.first_error.clone()
    }
}

impl Read for ByteSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = match &mut self.inner {
                SourceBackend::File { reader, .. } => reader.read(buffer),
                SourceBackend::ByteStream(reader) => reader.read(buffer),
            };
            match result {
                Ok(count) => {
                    if let SourceBackend::File { position, .. } = &mut self.inner {
                        *position += count as u64;
                    }
                    return Ok(count);
                }
                // Some demuxers treat every error as the end of the file, so interrupted reads are repeated here.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.first_error.record(&error);
                    return Err(error);
                }
            }
        }
    }
}

impl Seek for ByteSource {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let SourceBackend::File { reader, position, .. } = &mut self.inner else {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        };
        match target {
            // Short jumps, as between the audio packets of a film, stay within the buffer. `seek` would discard the
            // buffer.
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

impl MediaSource for ByteSource {
    fn is_seekable(&self) -> bool {
        matches!(self.inner, SourceBackend::File { .. })
    }

    fn byte_len(&self) -> Option<u64> {
        match self.inner {
            SourceBackend::File { length, .. } => Some(length),
            SourceBackend::ByteStream(_) => None,
        }
    }
}

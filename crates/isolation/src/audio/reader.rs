//! Opens inputs. [`Reader`] is the common interface to inputs that are decoded in this process or in a child process.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use refrain_core::audio::{
    AudioError, AudioReader, DecodeReport, Format, Limits, Seekable, Tags, display_name,
};
use refrain_core::fingerprint::{Density, Fingerprinter};

use super::message::{Fingerprinted, InputKind};
use super::remote::{RemoteReader, RemoteSource};
use crate::supervisor;

/// Maximum number of symbolic links that are followed to find the target of a path. Linux has the same limit for
/// opening a file.
const MAX_SYMLINKS: usize = 40;

/// An open input: a file or byte stream. It has the methods of [`AudioReader`]. After [`enable`](crate::enable), a
/// child process decodes it.
#[derive(Debug)]
pub struct Reader {
    inner: ReaderBackend,
}

#[derive(Debug)]
enum ReaderBackend {
    Local(Box<AudioReader>),
    Remote(Box<RemoteReader>),
}

/// Opens a file, or a pipe or device.
///
/// # Errors
/// The errors of [`AudioReader::open`], and [`AudioError::Stopped`] if the child exceeds a limit or crashes.
///
/// # Examples
///
/// ```
/// use std::path::Path;
///
/// use refrain_core::audio::Limits;
///
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audio/cbr.mp3");
/// // Decodes in a child after `refrain_isolation::enable`, and in this process without it.
/// let mut reader = refrain_isolation::open_path(Path::new(file), &Limits::default())?;
/// assert_eq!(reader.format().container, "mp3");
/// while reader.next_chunk()?.is_some() {}
/// assert!(!reader.report().is_damaged());
/// # Ok::<(), refrain_core::audio::AudioError>(())
/// ```
pub fn open_path(path: &Path, limits: &Limits) -> Result<Reader, AudioError> {
    let Some(supervisor) = supervisor::get() else {
        return AudioReader::open(path, limits).map(Reader::local);
    };
    // For missing files and directories, the child returns the same error as a reader in this process would.
    let metadata = path.metadata().ok().filter(|metadata| !metadata.is_dir());
    if let Some(metadata) = metadata
        // The child has other file descriptors and another process group. So this process opens pipes, terminals and
        // paths of descriptors.
        && (!metadata.is_file() || refers_to_descriptor(path))
    {
        let open = || File::open(path);
        let name = display_name(path);
        if metadata.is_file() {
            return open_seekable(|| Ok(Box::new(open()?)), metadata.len(), &name, limits);
        }
        let file = open().map_err(|source| AudioError::Open { name: name.clone(), source })?;
        return open_stream(Box::new(file), &name, limits);
    }
    let kind = InputKind::Path(path.to_owned());
    RemoteReader::open(supervisor, kind, RemoteSource::None, display_name(path), limits).map(Reader::remote)
}

/// Returns true if `path`, or a target to which it leads as a symbolic link, can refer to a file descriptor of this
/// process, such as `/dev/stdin` or `/proc/self/fd/3`. The same path in the child would refer to a descriptor of the
/// child.
fn refers_to_descriptor(path: &Path) -> bool {
    let mut path = path.to_owned();
    for _ in 0..MAX_SYMLINKS {
        if path.starts_with("/dev") || path.starts_with("/proc") {
            return true;
        }
        let Ok(target) = path.read_link() else { return false };
        // A relative target is relative to the folder of the link. If the target is absolute, `join` returns the
        // target.
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    false
}

/// Opens a seekable input of `length` bytes. `open` must return the input at its start, and may be called several
/// times. `name` is the name of the input in messages.
///
/// # Errors
/// The errors of [`AudioReader::from_seekable`], and [`AudioError::Stopped`] if the child exceeds a limit or crashes.
pub fn open_seekable(
    open: impl Fn() -> io::Result<Box<dyn Seekable>>,
    length: u64,
    name: &str,
    limits: &Limits,
) -> Result<Reader, AudioError> {
    let Some(supervisor) = supervisor::get() else {
        return AudioReader::from_seekable(open, length, name, limits).map(Reader::local);
    };
    let source = open().map_err(|source| AudioError::Open { name: name.to_owned(), source })?;
    let kind = InputKind::Seekable(length);
    RemoteReader::open(supervisor, kind, RemoteSource::Seekable(source), name.to_owned(), limits)
        .map(Reader::remote)
}

/// Opens an input that can be read only once, from its start to its end. `name` is the name of the input in messages.
///
/// # Errors
/// The errors of [`AudioReader::from_source`], and [`AudioError::Stopped`] if the child exceeds a limit or crashes.
pub fn open_stream(
    source: Box<dyn Read + Send + Sync>,
    name: &str,
    limits: &Limits,
) -> Result<Reader, AudioError> {
    let Some(supervisor) = supervisor::get() else {
        return AudioReader::from_source(source, name, limits).map(Reader::local);
    };
    let source = RemoteSource::Stream(source);
    RemoteReader::open(supervisor, InputKind::Stream, source, name.to_owned(), limits).map(Reader::remote)
}

impl Reader {
    pub(super) fn local(reader: AudioReader) -> Self {
        Self { inner: ReaderBackend::Local(Box::new(reader)) }
    }

    fn remote(reader: RemoteReader) -> Self {
        Self { inner: ReaderBackend::Remote(Box::new(reader)) }
    }

    /// Returns the next samples (44.1 kHz mono, nominally within ±1), or `None` at the end. The slice is never empty.
    ///
    /// # Errors
    /// The errors of [`AudioReader::next_chunk`], and [`AudioError::Stopped`] if the child exceeds a limit or crashes.
    pub fn next_chunk(&mut self) -> Result<Option<&[f32]>, AudioError> {
        match &mut self.inner {
            ReaderBackend::Local(reader) => reader.next_chunk(),
            ReaderBackend::Remote(reader) => reader.next_chunk(),
        }
    }

    /// Returns the tags (metadata) of the input.
    #[must_use]
    pub fn tags(&self) -> &Tags {
        match &self.inner {
            ReaderBackend::Local(reader) => reader.tags(),
            ReaderBackend::Remote(reader) => &reader.info.tags,
        }
    }

    /// Returns the container, codec, sample rate and number of channels of the input.
    #[must_use]
    pub fn format(&self) -> &Format {
        match &self.inner {
            ReaderBackend::Local(reader) => reader.format(),
            ReaderBackend::Remote(reader) => &reader.info.format,
        }
    }

    /// Returns counts of the audio that was decoded and lost so far. The report is complete after
    /// [`Reader::next_chunk`] returned `None`.
    #[must_use]
    pub fn report(&self) -> &DecodeReport {
        match &self.inner {
            ReaderBackend::Local(reader) => reader.report(),
            ReaderBackend::Remote(reader) => &reader.info.report,
        }
    }

    /// Decodes the rest of the input and returns its fingerprint. The process that decodes the input also makes the
    /// fingerprint, so no samples are copied between processes.
    ///
    /// # Errors
    /// The errors of [`Reader::next_chunk`].
    ///
    /// # Examples
    ///
    /// ```
    /// use refrain_core::audio::Limits;
    /// use refrain_core::fingerprint::Density;
    ///
    /// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audio/plain.flac");
    /// let source = Box::new(std::fs::File::open(file)?);
    /// let reader = refrain_isolation::open_stream(source, "upload", &Limits::default())?;
    /// let fingerprinted = reader.fingerprint(Density::Reference)?;
    /// assert!(!fingerprinted.constellation.peaks.is_empty());
    /// assert!(fingerprinted.peak > 0.0 && fingerprinted.peak <= 1.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fingerprint(self, density: Density) -> Result<Fingerprinted, AudioError> {
        match self.inner {
            ReaderBackend::Local(reader) => Self::local(*reader).fingerprint_with(density, |_| ()),
            ReaderBackend::Remote(reader) => reader.fingerprint(density),
        }
    }

    /// Decodes the rest of the input, makes its fingerprint in this process, and passes each chunk of samples to `tap`.
    /// Only one chunk is in memory at a time.
    ///
    /// # Errors
    /// The errors of [`Reader::next_chunk`].
    pub fn fingerprint_with(
        &mut self,
        density: Density,
        mut tap: impl FnMut(&[f32]),
    ) -> Result<Fingerprinted, AudioError> {
        let mut fingerprinter = Fingerprinter::new(density);
        let mut peak = 0.0f32;
        while let Some(chunk) = self.next_chunk()? {
            peak = chunk.iter().fold(peak, |peak, sample| peak.max(sample.abs()));
            fingerprinter.push(chunk);
            tap(chunk);
        }
        let constellation = fingerprinter.finish();
        Ok(Fingerprinted { constellation, peak, report: self.report().clone(), tags: self.tags().clone() })
    }
}

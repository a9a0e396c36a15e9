//! Common interface to inputs that are decoded in this process or in a child.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use refrain_core::audio::{
    AudioError, AudioReader, DecodeReport, Format, Limits, Searchable, Tags, shown_name,
};
use refrain_core::fingerprint::{Density, Fingerprinter};

use super::message::{Fingerprinted, SourceKind};
use super::remote::{RemoteReader, RemoteSource};
use crate::supervisor;

/// Maximum number of symbolic links that are followed, as in Linux.
const MAX_LINKS: usize = 40;

/// An open input. It has the interface of [`AudioReader`].
#[derive(Debug)]
pub struct Reader {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Local(Box<AudioReader>),
    Remote(Box<RemoteReader>),
}

/// Opens a file.
///
/// # Errors
/// As [`AudioReader::open`]; [`AudioError::Stopped`] if the file exceeds a limit of the child.
pub fn open_path(path: &Path, limits: &Limits) -> Result<Reader, AudioError> {
    let Some(supervisor) = supervisor::get() else {
        return AudioReader::open(path, limits).map(Reader::local);
    };
    let facts = path.metadata().ok().filter(|facts| !facts.is_dir());
    if let Some(facts) = facts
        && (!facts.is_file() || names_descriptor(path))
    {
        let open = || File::open(path);
        let name = shown_name(path);
        if facts.is_file() {
            return open_searchable(|| Ok(Box::new(open()?)), facts.len(), &name, limits);
        }
        let file = open().map_err(|source| AudioError::Open { name: name.clone(), source })?;
        return open_stream(Box::new(file), &name, limits);
    }
    let kind = SourceKind::Path(path.to_owned());
    RemoteReader::open(supervisor, kind, RemoteSource::None, shown_name(path), limits).map(Reader::remote)
}

/// Returns true if a path can refer to another file in another process, as `/dev/stdin` and `/proc/self/fd/3` do, or is a
/// symbolic link to such a path. A child that opened it would read its own connection to this process.
fn names_descriptor(path: &Path) -> bool {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if path.starts_with("/dev") || path.starts_with("/proc") {
            return true;
        }
        let Ok(target) = path.read_link() else { return false };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    false
}

/// Opens an input of `length` bytes with random access. `open` returns a reader at its start and may be called several times;
/// error messages contain `name`.
///
/// # Errors
/// As [`AudioReader::from_searchable`]; [`AudioError::Stopped`] if the input exceeds a limit of the child.
pub fn open_searchable(
    open: impl Fn() -> io::Result<Box<dyn Searchable>>,
    length: u64,
    name: &str,
    limits: &Limits,
) -> Result<Reader, AudioError> {
    let Some(supervisor) = supervisor::get() else {
        return AudioReader::from_searchable(open, length, name, limits).map(Reader::local);
    };
    let source = open().map_err(|source| AudioError::Open { name: name.to_owned(), source })?;
    let kind = SourceKind::Searchable(length);
    RemoteReader::open(supervisor, kind, RemoteSource::Searchable(source), name.to_owned(), limits)
        .map(Reader::remote)
}

/// Opens an input that can be read only once, from its start to its end.
///
/// # Errors
/// As [`AudioReader::from_source`]; [`AudioError::Stopped`] if the input exceeds a limit of the child.
pub fn open_stream(
    source: Box<dyn Read + Send + Sync>,
    name: &str,
    limits: &Limits,
) -> Result<Reader, AudioError> {
    let Some(supervisor) = supervisor::get() else {
        return AudioReader::from_source(source, name, limits).map(Reader::local);
    };
    let source = RemoteSource::Stream(source);
    RemoteReader::open(supervisor, SourceKind::Stream, source, name.to_owned(), limits).map(Reader::remote)
}

impl Reader {
    pub(super) fn local(reader: AudioReader) -> Self {
        Self { inner: Inner::Local(Box::new(reader)) }
    }

    fn remote(reader: RemoteReader) -> Self {
        Self { inner: Inner::Remote(Box::new(reader)) }
    }

    /// Returns the next samples: 44.1 kHz mono, nominally within ±1, at least one; `None` at the end.
    ///
    /// # Errors
    /// As [`AudioReader::next_chunk`]; [`AudioError::Stopped`] if the input exceeds a limit of the child.
    pub fn next_chunk(&mut self) -> Result<Option<&[f32]>, AudioError> {
        match &mut self.inner {
            Inner::Local(reader) => reader.next_chunk(),
            Inner::Remote(reader) => reader.next_chunk(),
        }
    }

    /// Returns the metadata of the input.
    #[must_use]
    pub fn tags(&self) -> &Tags {
        match &self.inner {
            Inner::Local(reader) => reader.tags(),
            Inner::Remote(reader) => &reader.about.tags,
        }
    }

    /// Returns container, codec, sample rate and channels of the input.
    #[must_use]
    pub fn format(&self) -> &Format {
        match &self.inner {
            Inner::Local(reader) => reader.format(),
            Inner::Remote(reader) => &reader.about.format,
        }
    }

    /// Returns a report of the audio decoded and lost so far. It is complete after [`Reader::next_chunk`] returned `None`.
    #[must_use]
    pub fn report(&self) -> &DecodeReport {
        match &self.inner {
            Inner::Local(reader) => reader.report(),
            Inner::Remote(reader) => &reader.about.report,
        }
    }

    /// Decodes to the end and fingerprints, in the process that decodes the input: no samples are copied between processes.
    ///
    /// # Errors
    /// As [`Reader::next_chunk`].
    pub fn fingerprint(self, density: Density) -> Result<Fingerprinted, AudioError> {
        match self.inner {
            Inner::Local(reader) => Self::local(*reader).fingerprint_with(density, |_| ()),
            Inner::Remote(reader) => reader.fingerprint(density),
        }
    }

    /// Decodes to the end and fingerprints in this process; holds one chunk of samples at a time, and passes each to `tap`.
    ///
    /// # Errors
    /// As [`Reader::next_chunk`].
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

//! From a path or a stream to a reader.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::Path;

use super::container::Container;
use super::demux::Demux;
use super::error::AudioError;
use super::limits::Limits;
use super::precheck;
use super::reader::AudioReader;
use super::sniff;
use super::source::{Searchable, Source, Stream};
use super::ts;

/// Bytes looked at to tell what a file is: some frames of the fattest MP3, and a second of radio.
const HEAD: usize = 16 << 10;

impl AudioReader {
    /// Opens a file, reads its tags and decodes its first sound.
    ///
    /// What the file is decides its content, never its name.
    ///
    /// # Errors
    /// [`AudioError`], which names the file, if there is no sound in it that can be decoded.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, AudioError> {
        let name = shown_name(path);
        let refused = |source| AudioError::Open { name: name.clone(), source };
        let about = fs::metadata(path).map_err(refused)?;
        if about.is_dir() {
            return Err(AudioError::Directory { name });
        }
        let open = || File::open(path);
        if !about.is_file() {
            return Self::from_source(Box::new(open().map_err(refused)?), &name, limits);
        }
        let open = || open().map(|file| Box::new(file) as Box<dyn Searchable>);
        Self::from_searchable(open, about.len(), &name, limits)
    }

    /// Opens what can be searched like a file, `length` bytes of it. `open` gives it from its start and may be called
    /// twice, because what is cut short is read another way; `name` stands for it in messages.
    ///
    /// # Errors
    /// [`AudioError`], which names it, if there is no sound in it that can be decoded.
    pub fn from_searchable(
        open: impl Fn() -> io::Result<Box<dyn Searchable>>,
        length: u64,
        name: &str,
        limits: &Limits,
    ) -> Result<Self, AudioError> {
        let name = name.to_owned();
        let refused = |source| AudioError::Open { name: name.clone(), source };
        let mut file = open().map_err(refused)?;
        let head = read_head(&mut file).map_err(|source| AudioError::Read { name: name.clone(), source })?;
        if head.is_empty() {
            return Err(AudioError::Empty { name });
        }
        if ts::looks_like_ts(&head) {
            file.rewind().map_err(refused)?;
            return Self::from_demux(Demux::ts(Source::stream(Box::new(file)), &name)?, name, limits);
        }
        if let Some(codec) = sniff::unsupported(&head) {
            return Err(AudioError::UnsupportedCodec { name, codec: codec.to_owned() });
        }
        if let Some(reason) = precheck::refuse(&head) {
            return Err(AudioError::Damaged { name, reason: reason.to_owned() });
        }
        let whole = sniff::is_whole(&mut *file, length, &head);
        let again = open().map_err(refused)?;
        let found = Source::file(file, length).map_err(refused)?;
        let forward = Source::stream(Box::new(again));
        let read = |source| {
            Container::open(source, &head, &name, limits)
                .and_then(|container| Self::from_demux(Demux::Container(container), name.clone(), limits))
        };
        // Half a file often lacks what would be looked up at its end, and reads well from its start.
        if whole {
            read(found).or_else(|error| {
                if !may_stream(&error) {
                    return Err(error);
                }
                read(forward).map(Self::mark_truncated).map_err(|_| error)
            })
        } else {
            read(forward).or_else(|_| read(found)).map(Self::mark_truncated)
        }
    }

    /// Opens a stream that cannot be searched: standard input, a network connection. `name` stands for it in
    /// messages. An MP4 whose index is at its end, and CAF, cannot be read like this.
    ///
    /// # Errors
    /// [`AudioError`], which names the stream, if there is no sound in it that can be decoded.
    pub fn from_source(mut source: Stream, name: &str, limits: &Limits) -> Result<Self, AudioError> {
        let head =
            read_head(&mut source).map_err(|source| AudioError::Read { name: name.to_owned(), source })?;
        if head.is_empty() {
            return Err(AudioError::Empty { name: name.to_owned() });
        }
        if let Some(codec) = sniff::unsupported(&head) {
            return Err(AudioError::UnsupportedCodec { name: name.to_owned(), codec: codec.to_owned() });
        }
        if let Some(reason) = precheck::refuse(&head) {
            return Err(AudioError::Damaged { name: name.to_owned(), reason: reason.to_owned() });
        }
        let is_ts = ts::looks_like_ts(&head);
        let source = Source::stream(Box::new(Cursor::new(head.clone()).chain(source)));
        let demux = if is_ts {
            Demux::ts(source, name)?
        } else {
            Demux::Container(Container::open(source, &head, name, limits)?)
        };
        Self::from_demux(demux, name.to_owned(), limits)
    }
}

/// A path for messages: control characters in it, which can move the cursor or imitate other lines, are escaped.
#[must_use]
pub fn shown_name(path: &Path) -> String {
    let mut name = String::new();
    for character in path.display().to_string().chars() {
        if character.is_control() {
            name.extend(character.escape_default());
        } else {
            name.push(character);
        }
    }
    name
}

/// Whether a file that failed as a whole may still be readable from its start.
fn may_stream(error: &AudioError) -> bool {
    matches!(
        error,
        AudioError::Damaged { .. } | AudioError::NoSound { .. } | AudioError::UnsupportedCodec { .. }
    )
}

fn read_head(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    source.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

//! Opens an [`AudioReader`] from a path, a seekable source or a stream.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::Path;

use super::container::Container;
use super::error::AudioError;
use super::limits::Limits;
use super::precheck;
use super::reader::AudioReader;
use super::sniff;
use super::source::{ByteSource, ByteStream, Seekable};
use super::track_demuxer::TrackDemuxer;
use super::ts;

/// Number of bytes at the start of a file that are examined to detect its format: several frames of MP3 at the highest
/// bit rate, or about a second of a radio stream. At half this value, more Vorbis files have codebooks that are not
/// checked before decoding. At twice this value, files that are not audio are rejected more slowly.
const SNIFF_BYTES: usize = 16 << 10;

impl AudioReader {
    /// Opens a file, reads its tags and decodes its first samples.
    ///
    /// The format is detected from the content of the file, never from its name.
    ///
    /// # Errors
    /// [`AudioError`], which names the file, if the file cannot be read or contains no audio that can be decoded.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use refrain_core::audio::{AudioReader, Limits};
    ///
    /// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/songs/03-woven-avenue.ogg");
    /// let reader = AudioReader::open(Path::new(file), &Limits::default())?;
    /// assert_eq!(reader.format().codec, "Vorbis");
    ///
    /// let error = AudioReader::open(Path::new("missing.ogg"), &Limits::default()).unwrap_err();
    /// assert!(error.to_string().contains("missing.ogg"));
    /// # Ok::<(), refrain_core::audio::AudioError>(())
    /// ```
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, AudioError> {
        let name = display_name(path);
        let open_error = |source| AudioError::Open { name: name.clone(), source };
        let metadata = fs::metadata(path).map_err(open_error)?;
        if metadata.is_dir() {
            return Err(AudioError::Directory { name });
        }
        let open = || File::open(path);
        // Pipes and devices cannot seek, and their length is unknown.
        if !metadata.is_file() {
            return Self::from_source(Box::new(open().map_err(open_error)?), &name, limits);
        }
        let open = || open().map(|file| Box::new(file) as Box<dyn Seekable>);
        Self::from_seekable(open, metadata.len(), &name, limits)
    }

    /// Opens a seekable source of `length` bytes. `open` must return the source at its start. This method may call
    /// `open` twice, because a source that cannot be read with seeking, such as a truncated file, is read as a stream
    /// from its start. `name` is the name of the source in messages.
    ///
    /// # Errors
    /// [`AudioError`], which contains `name`, if the source cannot be read or contains no audio that can be decoded.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Cursor;
    ///
    /// use refrain_core::audio::{AudioReader, Limits};
    ///
    /// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audio/plain.flac");
    /// let bytes = std::fs::read(file)?;
    /// let length = bytes.len() as u64;
    /// let open = || Ok(Box::new(Cursor::new(bytes.clone())) as Box<_>);
    /// let reader = AudioReader::from_seekable(open, length, "upload", &Limits::default())?;
    /// assert_eq!(reader.format().container, "flac");
    /// assert_eq!(reader.format().channels, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_seekable(
        open: impl Fn() -> io::Result<Box<dyn Seekable>>,
        length: u64,
        name: &str,
        limits: &Limits,
    ) -> Result<Self, AudioError> {
        let name = name.to_owned();
        let open_error = |source| AudioError::Open { name: name.clone(), source };
        let mut file = open().map_err(open_error)?;
        let head = read_head(&mut file).map_err(|source| AudioError::Read { name: name.clone(), source })?;
        if head.is_empty() {
            return Err(AudioError::Empty { name });
        }
        // Transport streams have no fixed first bytes and can begin within a packet. So they are detected before the
        // formats that begin with fixed bytes.
        if ts::looks_like_ts(&head) {
            file.rewind().map_err(open_error)?;
            return Self::new(TrackDemuxer::ts(ByteSource::stream(Box::new(file)), &name)?, name, limits);
        }
        if sniff::is_ac3(&head) {
            file.rewind().map_err(open_error)?;
            return Self::new(TrackDemuxer::ac3(ByteSource::stream(Box::new(file)), &name)?, name, limits);
        }
        check_head(&head, &name)?;
        let complete = sniff::is_complete(&mut *file, length, &head);
        // The file is opened a second time before the first attempt, so that both attempts read the same file even if
        // it is replaced in between.
        let reopened = open().map_err(open_error)?;
        let seekable = ByteSource::file(file, length).map_err(open_error)?;
        let forward_only = ByteSource::stream(Box::new(reopened));
        let read = |source| {
            Container::open(source, &head, &name, limits)
                .and_then(|container| Self::new(TrackDemuxer::Container(container), name.clone(), limits))
        };
        // A truncated file often lacks data that a demuxer looks up at the end of the file, but it can be read from its
        // start.
        if complete {
            read(seekable).or_else(|error| {
                if !can_retry_as_stream(&error) {
                    return Err(error);
                }
                // If both attempts fail, the first error is returned, because the attempt with seeking describes the
                // file better.
                read(forward_only).map(Self::mark_truncated).map_err(|_| error)
            })
        } else {
            read(forward_only).or_else(|_| read(seekable)).map(Self::mark_truncated)
        }
    }

    /// Opens a stream that is not seekable, such as standard input or a network connection. `name` is the name of the
    /// stream in messages. CAF files, and MP4 files whose index is at the end, cannot be read as a stream.
    ///
    /// # Errors
    /// [`AudioError`], which contains `name`, if the stream cannot be read or contains no audio that can be decoded.
    ///
    /// # Examples
    ///
    /// ```
    /// use refrain_core::audio::{AudioReader, Limits};
    ///
    /// // A WAV file of half a second: 16-bit mono at 8 kHz.
    /// let mut wav = b"RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    /// wav.extend(8_000_u32.to_le_bytes());
    /// wav.extend(16_000_u32.to_le_bytes());
    /// wav.extend(b"\x02\0\x10\0data\x40\x1f\0\0");
    /// wav.extend((0..4_000_i32).flat_map(|i| ((i % 20 * 1_000 - 10_000) as i16).to_le_bytes()));
    ///
    /// let mut reader = AudioReader::from_source(Box::new(std::io::Cursor::new(wav)), "pipe", &Limits::default())?;
    /// assert_eq!(reader.format().sample_rate, 8_000);
    /// while reader.next_chunk()?.is_some() {}
    /// assert!((reader.report().seconds - 0.5).abs() < 0.001);
    /// # Ok::<(), refrain_core::audio::AudioError>(())
    /// ```
    pub fn from_source(mut source: ByteStream, name: &str, limits: &Limits) -> Result<Self, AudioError> {
        let head =
            read_head(&mut source).map_err(|source| AudioError::Read { name: name.to_owned(), source })?;
        if head.is_empty() {
            return Err(AudioError::Empty { name: name.to_owned() });
        }
        check_head(&head, name)?;
        let is_ts = ts::looks_like_ts(&head);
        // The detection has consumed the first bytes, and the stream cannot seek back, so they are put before the rest.
        let source = ByteSource::stream(Box::new(Cursor::new(head.clone()).chain(source)));
        let demux = if is_ts {
            TrackDemuxer::ts(source, name)?
        } else if sniff::is_ac3(&head) {
            TrackDemuxer::ac3(source, name)?
        } else {
            TrackDemuxer::Container(Container::open(source, &head, name, limits)?)
        };
        Self::new(demux, name.to_owned(), limits)
    }
}

/// Returns a path as text for messages. Control characters are escaped, because they could move the cursor of a
/// terminal or imitate other lines of output.
///
/// # Examples
///
/// ```
/// use std::path::Path;
///
/// use refrain_core::audio::display_name;
///
/// assert_eq!(display_name(Path::new("song.mp3")), "song.mp3");
/// assert_eq!(display_name(Path::new("two\nlines.mp3")), "two\\nlines.mp3");
/// ```
#[must_use]
pub fn display_name(path: &Path) -> String {
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

/// Returns an error if `head`, the first bytes of the source, identifies an unsupported format or cannot be parsed
/// safely. `name` is the name of the source in the error.
fn check_head(head: &[u8], name: &str) -> Result<(), AudioError> {
    if let Some(codec) = sniff::unsupported(head) {
        return Err(AudioError::UnsupportedCodec { name: name.to_owned(), codec: codec.to_owned() });
    }
    match precheck::reject_reason(head) {
        Some(reason) => Err(AudioError::Damaged { name: name.to_owned(), reason: reason.to_owned() }),
        None => Ok(()),
    }
}

/// Returns true if a source that could not be read with seeking because of `error` may still be readable as a stream
/// from its start.
fn can_retry_as_stream(error: &AudioError) -> bool {
    matches!(
        error,
        AudioError::Damaged { .. } | AudioError::NoSound { .. } | AudioError::UnsupportedCodec { .. }
    )
}

fn read_head(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(SNIFF_BYTES);
    source.take(SNIFF_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

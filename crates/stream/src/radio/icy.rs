//! Parser of the SHOUTcast metadata between the audio (`icy-metaint`), and of the `ICY 200 OK` header of the oldest
//! servers.

use bytes::{Bytes, BytesMut};

use super::charset::StationCharset;
use super::settings::Station;

/// Unit of the length byte of a metadata block: a length of 1 means this number of bytes.
const METADATA_UNIT_BYTES: usize = 16;

/// A part of the body: audio or metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BodyPart {
    Audio(Bytes),
    /// A title that differs from the previous one. It applies to the audio after it.
    Title(String),
}

#[derive(Debug, Clone, Copy)]
enum IcyState {
    /// Remaining bytes of audio before the next metadata block.
    Audio(usize),
    /// The length byte of a metadata block.
    Length,
    /// Remaining bytes of metadata.
    Metadata(usize),
}

/// Separates a body into audio and metadata. The body may be split into pieces at any byte.
#[derive(Debug)]
pub(super) struct IcySplitter {
    /// Bytes of audio between metadata blocks; `None` if the body has no metadata.
    interval: Option<usize>,
    next: IcyState,
    metadata: BytesMut,
    charset: StationCharset,
    /// Bytes of the last title; empty before the first one.
    title: Vec<u8>,
}

impl IcySplitter {
    /// Creates a splitter for the start of a body. `interval` is the `icy-metaint` value of the response, in bytes;
    /// `None` or 0 means that the body has no metadata. `charset` decodes the titles.
    pub(super) fn new(interval: Option<usize>, charset: StationCharset) -> Self {
        let interval = interval.filter(|&bytes| bytes > 0);
        Self {
            interval,
            next: IcyState::Audio(interval.unwrap_or(0)),
            metadata: BytesMut::new(),
            charset,
            title: Vec::new(),
        }
    }

    /// Processes the next bytes and calls `emit` for each part in them.
    pub(super) fn push(&mut self, mut bytes: Bytes, emit: &mut impl FnMut(BodyPart)) {
        let Some(interval) = self.interval else {
            return emit(BodyPart::Audio(bytes));
        };
        while !bytes.is_empty() {
            match self.next {
                IcyState::Audio(0) => self.next = IcyState::Length,
                IcyState::Audio(remaining) => {
                    let now = bytes.split_to(remaining.min(bytes.len()));
                    self.next = IcyState::Audio(remaining - now.len());
                    emit(BodyPart::Audio(now));
                }
                IcyState::Length => {
                    let length = bytes.split_to(1).first().map_or(0, |&length| usize::from(length));
                    self.next = if length == 0 {
                        IcyState::Audio(interval)
                    } else {
                        IcyState::Metadata(length * METADATA_UNIT_BYTES)
                    };
                }
                IcyState::Metadata(remaining) => {
                    let now = bytes.split_to(remaining.min(bytes.len()));
                    self.metadata.extend_from_slice(&now);
                    self.next = IcyState::Metadata(remaining - now.len());
                    if now.len() == remaining {
                        self.next = IcyState::Audio(interval);
                        let metadata = std::mem::take(&mut self.metadata);
                        // Stations repeat the title in each block; only a change is delivered.
                        if let Some(title) = title(&metadata).filter(|title| *title != self.title) {
                            title.clone_into(&mut self.title);
                            emit(BodyPart::Title(self.charset.decode(title)));
                        }
                    }
                }
            }
        }
    }
}

/// Returns the value of `StreamTitle='…';`, or `None` if it is missing or empty. The value may contain quotes, and its end
/// may be missing, because servers cut long titles. In no charset of a station, the byte of a quote is a part of another
/// character.
fn title(metadata: &[u8]) -> Option<&[u8]> {
    const START: &[u8] = b"StreamTitle='";
    let start = metadata.windows(START.len()).position(|bytes| bytes == START)?;
    let value = metadata.get(start + START.len()..)?;
    let end = value.windows(2).position(|two| two == b"';");
    let end = end.or_else(|| value.iter().rposition(|&byte| byte == b'\'')).unwrap_or(value.len());
    let mut value = value.get(..end)?.trim_ascii();
    while let Some(shorter) = value.strip_suffix(b"\0") {
        value = shorter.trim_ascii_end();
    }
    (!value.is_empty()).then_some(value)
}

/// Header of a response that starts with `ICY 200 OK`. HTTP libraries do not recognize it as a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IcyHeader {
    /// Length of the header in bytes, including the empty line at the end.
    pub(super) length: usize,
    /// First line of an error, such as `ICY 400 Server Full`; `None` if the status is 200.
    pub(super) error: Option<String>,
    /// Value of `icy-metaint`: bytes of audio between metadata blocks; `None` if it is missing or invalid.
    pub(super) interval: Option<usize>,
    /// Description of the station.
    pub(super) station: Station,
}

impl IcyHeader {
    /// Parses the header at the start of `body`. Returns `None` while it is incomplete, and an error if `body` does not
    /// start with such a header or the header is too long.
    pub(super) fn read(body: &[u8]) -> Result<Option<Self>, ()> {
        /// Maximum header length in bytes. SHOUTcast headers have about 500. At half this value, headers with many
        /// fields are rejected; at twice this value, a server that sends no header costs 16 kB.
        const MAX_BYTES: usize = 8 << 10;
        /// Maximum length of the first line of an error in messages, in characters. At half this value, long reasons
        /// are incomplete; at twice this value, a hostile server fills two lines of the log.
        const MAX_ERROR_CHARACTERS: usize = 80;
        const START: &[u8] = b"ICY ";
        let known = body.len().min(START.len());
        if body.get(..known) != START.get(..known) {
            return Err(());
        }
        let Some(end) = body.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if body.len() < MAX_BYTES { Ok(None) } else { Err(()) };
        };
        let text = String::from_utf8_lossy(body.get(..end).unwrap_or_default());
        let field = |wanted: &str| {
            let mut fields = text.lines().filter_map(|line| line.split_once(':'));
            let value = fields.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
            value.map(|(_, value)| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let status = text.lines().next().unwrap_or_default();
        let is_error = !status.split_ascii_whitespace().nth(1).unwrap_or_default().starts_with('2');
        let printable =
            |text: &str| text.chars().filter(|c| !c.is_control()).take(MAX_ERROR_CHARACTERS).collect();
        Ok(Some(Self {
            length: end + 4,
            error: is_error.then(|| printable(status)),
            interval: field("icy-metaint").and_then(|value| value.parse().ok()),
            station: Station { name: field("icy-name"), content_type: field("content-type") },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns a body with the audio bytes `0..count` and a metadata block after every `interval` of them.
    fn body(count: u8, interval: usize, titles: &[&[u8]]) -> Vec<u8> {
        let mut titles = titles.iter();
        let audio: Vec<u8> = (0..count).collect();
        let block = |audio: &[u8]| {
            let mut block = audio.to_vec();
            if audio.len() == interval {
                let metadata =
                    titles.next().map_or(Vec::new(), |title| [b"StreamTitle='", *title, b"';"].concat());
                block.push(metadata.len().div_ceil(METADATA_UNIT_BYTES) as u8);
                block.extend(&metadata);
                block.resize(
                    block.len() + metadata.len().next_multiple_of(METADATA_UNIT_BYTES) - metadata.len(),
                    0,
                );
            }
            block
        };
        audio.chunks(interval).flat_map(block).collect()
    }

    fn split(bytes: &[u8], interval: usize, push: usize) -> (Vec<u8>, Vec<String>) {
        let mut splitter = IcySplitter::new(Some(interval), StationCharset::default());
        let (mut audio, mut titles) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(push) {
            splitter.push(Bytes::copy_from_slice(piece), &mut |part| match part {
                BodyPart::Audio(bytes) => audio.extend(bytes),
                BodyPart::Title(title) => titles.push(title),
            });
        }
        (audio, titles)
    }

    proptest! {
        #[test]
        fn metadata_is_separated_for_any_piece_size(interval in 1..50_usize, push in 1..200_usize) {
            let bytes = body(200, interval, &[b"It's a 'song'", b"It's a 'song'", b"", b"Caf\xE9"]);
            let (audio, titles) = split(&bytes, interval, push);
            prop_assert_eq!(audio, (0..200).collect::<Vec<u8>>());
            prop_assert_eq!(titles, ["It's a 'song'", "Café"]);
        }
    }

    #[test]
    fn body_without_metadata_is_passed_through() {
        let mut parts = Vec::new();
        IcySplitter::new(None, StationCharset::default())
            .push(Bytes::from_static(b"abc"), &mut |part| parts.push(part));
        assert_eq!(parts, [BodyPart::Audio(Bytes::from_static(b"abc"))]);
    }

    #[test]
    fn title_that_was_cut_is_read_to_its_end() {
        assert_eq!(title(b"StreamTitle='Long ti"), Some(&b"Long ti"[..]));
        assert_eq!(title(b"StreamTitle='Long title \0\0\0"), Some(&b"Long title"[..]));
        assert_eq!(title(b"StreamUrl='x';StreamTitle='a';StreamUrl=''"), Some(&b"a"[..]));
        assert_eq!((title(b"StreamTitle='';"), title(b"StreamTitle="), title(b"")), (None, None, None));
    }

    #[test]
    fn interval_of_zero_means_no_metadata() {
        let mut parts = Vec::new();
        let mut splitter = IcySplitter::new(Some(0), StationCharset::default());
        splitter.push(Bytes::from_static(b"\x01abc"), &mut |part| parts.push(part));
        assert_eq!(parts, [BodyPart::Audio(Bytes::from_static(b"\x01abc"))]);
    }

    #[test]
    fn icy_header_is_parsed() {
        let header = b"ICY 200 OK\r\nicy-name: x\r\nIcy-MetaInt:8192\r\n\r\n\xFF\xFB";
        let parsed = IcyHeader::read(header).unwrap().unwrap();
        assert_eq!((parsed.length, parsed.interval, parsed.error), (45, Some(8_192), None));
        assert_eq!(parsed.station, Station { name: Some("x".to_owned()), content_type: None });
        assert!((0..44).all(|cut| IcyHeader::read(&header[..cut]) == Ok(None)));
        assert_eq!(IcyHeader::read(b"\xFF\xFB"), Err(()));
        let full = IcyHeader::read(b"ICY 400 Server Full\r\n\r\n").unwrap().unwrap();
        assert_eq!(full.error.as_deref(), Some("ICY 400 Server Full"));
    }
}

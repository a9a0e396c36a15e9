//! Parser of the SHOUTcast metadata between the audio (`icy-metaint`), and of the `ICY 200 OK` header of the oldest
//! servers.

use bytes::{Bytes, BytesMut};

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
    title: Option<String>,
}

impl IcySplitter {
    /// Creates a splitter for the start of a body. `interval` is the `icy-metaint` value of the response, in bytes;
    /// `None` or 0 means that the body has no metadata.
    pub(super) fn new(interval: Option<usize>) -> Self {
        let interval = interval.filter(|&bytes| bytes > 0);
        Self {
            interval,
            next: IcyState::Audio(interval.unwrap_or(0)),
            metadata: BytesMut::new(),
            title: None,
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
                        let title = title(&std::mem::take(&mut self.metadata));
                        // Stations repeat the title in each block; only a change is delivered.
                        if title.is_some() && title != self.title {
                            self.title.clone_from(&title);
                            title.into_iter().for_each(|title| emit(BodyPart::Title(title)));
                        }
                    }
                }
            }
        }
    }
}

/// Returns the value of `StreamTitle='…';`, or `None` if it is missing or empty. The value may contain quotes. Metadata
/// that is not UTF-8 is read as Latin-1, which old stations send.
fn title(metadata: &[u8]) -> Option<String> {
    let latin = || metadata.iter().copied().map(char::from).collect();
    let text = std::str::from_utf8(metadata).map_or_else(|_| latin(), str::to_owned);
    let text = text.trim_end_matches('\0');
    let (_, value) = text.split_once("StreamTitle='")?;
    let end = value.find("';").or_else(|| value.rfind('\''))?;
    let value = value.get(..end)?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// Header of a response that starts with `ICY 200 OK`. HTTP libraries do not recognize it as a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IcyHeader {
    /// Length of the header in bytes, including the empty line at the end.
    pub(super) length: usize,
    /// Value of `icy-metaint`: bytes of audio between metadata blocks; `None` if it is missing or invalid.
    pub(super) interval: Option<usize>,
}

impl IcyHeader {
    /// Parses the header at the start of `body`. Returns `None` while it is incomplete, and an error if `body` does not
    /// start with such a header or the header is too long.
    pub(super) fn read(body: &[u8]) -> Result<Option<Self>, ()> {
        /// Maximum header length in bytes. SHOUTcast headers have about 500.
        const MAX: usize = 8 << 10;
        const START: &[u8] = b"ICY ";
        let known = body.len().min(START.len());
        if body.get(..known) != START.get(..known) {
            return Err(());
        }
        let Some(end) = body.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if body.len() < MAX { Ok(None) } else { Err(()) };
        };
        let text = String::from_utf8_lossy(body.get(..end).unwrap_or_default());
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        let interval = fields.find(|(name, _)| name.eq_ignore_ascii_case("icy-metaint"));
        let interval = interval.and_then(|(_, value)| value.trim().parse().ok());
        Ok(Some(Self { length: end + 4, interval }))
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
        let mut splitter = IcySplitter::new(Some(interval));
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
        IcySplitter::new(None).push(Bytes::from_static(b"abc"), &mut |part| parts.push(part));
        assert_eq!(parts, [BodyPart::Audio(Bytes::from_static(b"abc"))]);
    }

    #[test]
    fn icy_header_is_parsed() {
        let header = b"ICY 200 OK\r\nicy-name: x\r\nIcy-MetaInt:8192\r\n\r\n\xFF\xFB";
        assert_eq!(IcyHeader::read(header), Ok(Some(IcyHeader { length: 45, interval: Some(8_192) })));
        assert!((0..44).all(|cut| IcyHeader::read(&header[..cut]) == Ok(None)));
        assert_eq!(IcyHeader::read(b"\xFF\xFB"), Err(()));
    }
}

//! Reads the control headers before Opus packets ("Opus in MPEG-TS", draft of xiph.org).

use super::headers::{FrameFormat, FrameHeader, HeaderResult};

/// Sample rate of decoded Opus audio in hertz.
pub(super) const RATE: u32 = 48_000;

/// Reads the control header at the start of `bytes`, and the first bytes of the packet after it.
pub(super) fn read(bytes: &[u8]) -> HeaderResult {
    let is_prefix = |(at, byte): (usize, &u8)| if at == 0 { *byte == 0x7F } else { byte & 0xE0 == 0xE0 };
    if !bytes.iter().enumerate().take(2).all(is_prefix) {
        return HeaderResult::None;
    }
    header(bytes).unwrap_or(HeaderResult::Incomplete)
}

/// Returns `None` if there are too few bytes.
fn header(bytes: &[u8]) -> Option<HeaderResult> {
    let flags = *bytes.get(1)?;
    let mut strip = 2;
    let mut size = 0;
    loop {
        let more = *bytes.get(strip)?;
        strip += 1;
        size += usize::from(more);
        // A byte of 255 means that another one follows. The largest packet has 1,275 bytes per frame and 48 frames.
        if more != 255 || size > 1_275 * 48 {
            break;
        }
    }
    // The numbers of samples that are cut at the start and at the end.
    strip += 2 * usize::from(flags & 0x10 != 0) + 2 * usize::from(flags & 0x08 != 0);
    if flags & 0x04 != 0 {
        strip += 1 + usize::from(*bytes.get(strip)?);
    }
    let samples = samples(bytes.get(strip..)?)?;
    let format = Some(FrameFormat::Opus { samples });
    let is_valid = size > 0 && (1..=5_760).contains(&samples);
    Some(if is_valid {
        HeaderResult::Header(FrameHeader { length: strip + size, strip, format })
    } else {
        HeaderResult::None
    })
}

/// Returns the number of samples in a packet (RFC 6716, 3.1), or `None` if there are too few bytes.
fn samples(packet: &[u8]) -> Option<u32> {
    let first = *packet.first()?;
    let configuration = first >> 3;
    // Units of 2.5 ms.
    let frame = match configuration {
        0..=11 => [4, 8, 16, 24][usize::from(configuration & 3)],
        12..=15 => [4, 8][usize::from(configuration & 1)],
        _ => 1 << (configuration & 3),
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(*packet.get(1)? & 0x3F),
    };
    Some(frame * frames * RATE / 400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_headers_are_read() {
        let format = |samples| Some(FrameFormat::Opus { samples });
        // 300 bytes, full band, one frame of 20 ms.
        assert_eq!(
            read(&[0x7F, 0xE0, 255, 45, 0xFC]),
            HeaderResult::Header(FrameHeader { length: 304, strip: 4, format: format(960) })
        );
        // Both cuts and an extension of one byte; three frames of 10 ms.
        assert_eq!(
            read(&[0x7F, 0xFC, 9, 1, 2, 3, 4, 1, 0, 0xF3, 3]),
            HeaderResult::Header(FrameHeader { length: 18, strip: 9, format: format(1_440) })
        );
        assert_eq!(read(&[0x7F, 0xE0, 0, 0xFC]), HeaderResult::None);
        assert_eq!(read(&[0x7F, 0x60, 9, 0xFC]), HeaderResult::None);
        assert!((0..5).all(|cut| read(&[0x7F, 0xE0, 255, 45, 0xFC][..cut]) == HeaderResult::Incomplete));
    }
}

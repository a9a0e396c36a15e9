//! Splits bytes into transport packets. Packets are found by their sync bytes, at the start and after damage (ISO/IEC
//! 13818-1, 2.4.3.2). Blu-ray's `.m2ts` has four additional bytes before each packet, and DVB recorders may add sixteen
//! bytes after each packet.

/// Length of a packet in bytes.
pub(super) const PACKET_BYTES: usize = 188;

const SYNC: u8 = 0x47;
/// Possible distances between sync bytes in bytes (strides), the most common one first.
const STRIDES: [usize; 3] = [188, 192, 204];
/// Number of consecutive sync bytes that identify a transport stream. Random bytes match at one of 2^40 positions. At
/// 3, they match at one of 2^24 positions, so some other files would be read as transport streams. At 10, audio after
/// damage is lost until 10 intact packets follow.
const MIN_SYNC_RUN: usize = 5;
/// Number of bytes that are needed to check one position.
const CHECK_BYTES: usize = (MIN_SYNC_RUN - 1) * 204 + 1;

/// Returns true if the file that begins with `head` is probably a transport stream. The stream may begin within a
/// packet. `head` must contain at least some kilobytes, or the whole file if it is shorter.
///
/// # Examples
///
/// ```
/// use refrain_core::audio::ts::looks_like_ts;
///
/// let packet = [&[0x47][..], &[0; 187]].concat();
/// assert!(looks_like_ts(&packet.repeat(5)));
/// assert!(looks_like_ts(&packet.repeat(6)[100..]));
/// assert!(!looks_like_ts(b"#EXTM3U"));
/// ```
#[must_use]
pub fn looks_like_ts(head: &[u8]) -> bool {
    const OTHERS: [&[u8]; 8] =
        [b"RIFF", b"FORM", b"OggS", b"fLaC", b"caff", b"ID3", b"\x1A\x45\xDF\xA3", b"RF64"];
    if OTHERS.iter().any(|magic| head.starts_with(magic)) || head.get(4..8) == Some(b"ftyp") {
        return false;
    }
    (0..head.len().min(204))
        .any(|at| STRIDES.iter().any(|&stride| has_sync_run(&head[at..], stride, MIN_SYNC_RUN)))
}

/// Returns true if `bytes` begins with a packet and further packets follow it.
pub(super) fn starts_with_packets(bytes: &[u8]) -> bool {
    STRIDES.iter().any(|&stride| has_sync_run(bytes, stride, MIN_SYNC_RUN))
}

/// Returns true if `bytes` contains `wanted` sync bytes at a distance of `stride`, the first one at the start. If
/// `bytes` is too short for `wanted` sync bytes, it must contain at least two, and each position at a multiple of
/// `stride` must have one.
fn has_sync_run(bytes: &[u8], stride: usize, wanted: usize) -> bool {
    let count = bytes.len().div_ceil(stride).min(wanted);
    count >= 2 && (0..count).all(|i| bytes[i * stride] == SYNC)
}

/// Finds transport packets in pushed bytes.
#[derive(Debug, Default)]
pub(super) struct PacketSync {
    buffer: Vec<u8>,
    at: usize,
    stride: Option<usize>,
    /// Number of bytes after the last packet that are still to be skipped before the next one.
    skip: usize,
    /// Number of packets with a wrong sync byte. A place after which the sync bytes had to be searched for again counts
    /// as one packet.
    pub(super) damaged: u64,
}

impl PacketSync {
    /// Adds the next bytes of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Discards an incomplete packet. The next bytes must begin with a new packet.
    pub(super) fn restart(&mut self) {
        self.buffer.clear();
        (self.at, self.skip) = (0, 0);
    }

    /// Returns true if bytes of an incomplete packet are left.
    pub(super) fn has_partial_packet(&self) -> bool {
        self.buffer.len() > self.at
    }

    /// Returns the next packet, or `None` if more bytes are needed to find it. `last` must be true if no more bytes
    /// follow.
    pub(super) fn next(&mut self, last: bool) -> Option<[u8; PACKET_BYTES]> {
        loop {
            let gap = self.skip.min(self.buffer.len() - self.at);
            self.at += gap;
            self.skip -= gap;
            let rest = &self.buffer[self.at..];
            let Some(stride) = self.stride else {
                if self.search(last) {
                    continue;
                }
                return None;
            };
            let packet: [u8; PACKET_BYTES] = rest.get(..PACKET_BYTES)?.try_into().ok()?;
            if packet[0] != SYNC {
                // If the next two sync bytes are at their places, only this one is damaged, and the stride is kept.
                let reach = 2 * stride + 1;
                // The next two sync bytes must be known first. Otherwise the result would depend on how the bytes are
                // split into pushes.
                if rest.len() < reach && !last {
                    return None;
                }
                self.damaged += 1;
                let stride_holds = rest.len() >= reach && rest[stride] == SYNC && rest[2 * stride] == SYNC;
                if stride_holds {
                    self.at += stride;
                } else {
                    self.stride = None;
                }
                continue;
            }
            self.at += PACKET_BYTES;
            self.skip = stride - PACKET_BYTES;
            return Some(packet);
        }
    }

    /// Moves to the next position at which packets follow each other. Returns false if the bytes pushed so far contain
    /// no such position. `last` is true if no more bytes follow.
    fn search(&mut self, last: bool) -> bool {
        let rest = &self.buffer[self.at..];
        let positions = if last {
            rest.len().saturating_sub(PACKET_BYTES - 1)
        } else {
            rest.len().saturating_sub(CHECK_BYTES - 1)
        };
        for position in 0..positions {
            if rest[position] != SYNC {
                continue;
            }
            let here = &rest[position..];
            // The last packet of a stream has no second sync byte after it.
            let alone = last && here.len() < 2 * PACKET_BYTES;
            let stride =
                STRIDES.into_iter().find(|&stride| alone || has_sync_run(here, stride, MIN_SYNC_RUN));
            if stride.is_some() {
                self.stride = stride;
                self.at += position;
                return true;
            }
        }
        // The remaining bytes are kept, because a packet may begin in them.
        self.at += positions;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(packets: usize, stride: usize) -> Vec<u8> {
        let mut bytes = vec![0xAA; packets * stride];
        (0..packets).for_each(|i| {
            bytes[i * stride] = SYNC;
            bytes[i * stride + 1] = i as u8;
        });
        bytes
    }

    fn packets(bytes: &[u8], push: usize) -> Vec<u8> {
        let (mut sync, mut found) = (PacketSync::default(), Vec::new());
        for chunk in bytes.chunks(push) {
            sync.push(chunk);
            while let Some(packet) = sync.next(false) {
                found.push(packet[1]);
            }
        }
        while let Some(packet) = sync.next(true) {
            found.push(packet[1]);
        }
        found
    }

    #[test]
    fn packets_of_every_stride_and_split_are_found() {
        for stride in STRIDES {
            for push in [1, 100, 188, 5_000] {
                assert_eq!(
                    packets(&stream(12, stride), push),
                    (0..12).collect::<Vec<_>>(),
                    "{stride} {push}"
                );
                assert_eq!(packets(&stream(12, stride)[7..], push), (1..12).collect::<Vec<_>>());
            }
        }
        assert_eq!(packets(&stream(1, 188), 50), [0]);
    }

    #[test]
    fn damage_affects_only_the_packets_that_it_touches() {
        let mut bytes = stream(20, 188);
        bytes[5 * 188] = 0;
        assert_eq!(packets(&bytes, 77), (0..20).filter(|&i| i != 5).collect::<Vec<_>>());
        bytes.drain(8 * 188 + 20..8 * 188 + 60);
        let found = packets(&bytes, 500);
        assert_eq!(found, packets(&bytes, 1));
        assert!((9..20).all(|i| i == 9 || found.contains(&i)), "{found:?}");
    }

    #[test]
    fn only_transport_streams_look_like_one() {
        assert!(looks_like_ts(&stream(20, 188)));
        assert!(looks_like_ts(&stream(20, 192)[50..]));
        assert!(looks_like_ts(&stream(3, 188)));
        assert!(!looks_like_ts(&[SYNC; 100]));
        assert!(!looks_like_ts(b"GGGGG is text"));
        assert!(!looks_like_ts(&[b"RIFF".as_slice(), &[SYNC; 4000]].concat()));
    }
}

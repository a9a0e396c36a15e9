//! Bytes to packets: sync bytes found, kept and found again (ISO/IEC 13818-1, 2.4.3.2; Blu-ray's `.m2ts` puts
//! four bytes before each packet, DVB recorders may put sixteen behind).

/// Bytes of a packet.
pub(super) const PACKET: usize = 188;

const SYNC: u8 = 0x47;
/// Distances between sync bytes, the usual one first.
const STRIDES: [usize; 3] = [188, 192, 204];
/// Sync bytes in a row that make a stream: noise has them at one of 2^40 places.
const IN_A_ROW: usize = 5;
/// Bytes that are looked at to judge one place.
const REACH: usize = (IN_A_ROW - 1) * 204 + 1;

/// Whether bytes at the start of a file, at least some kilobytes if there are as many, are those of a
/// transport stream. It may begin within a packet.
#[must_use]
pub fn looks_like_ts(head: &[u8]) -> bool {
    const OTHERS: [&[u8]; 8] =
        [b"RIFF", b"FORM", b"OggS", b"fLaC", b"caff", b"ID3", b"\x1A\x45\xDF\xA3", b"RF64"];
    if OTHERS.iter().any(|magic| head.starts_with(magic)) || head.get(4..8) == Some(b"ftyp") {
        return false;
    }
    (0..head.len().min(204)).any(|at| STRIDES.iter().any(|&stride| runs(&head[at..], stride, IN_A_ROW)))
}

/// Whether a packet begins with the first of these bytes, and others follow it.
pub(super) fn starts_with_packets(bytes: &[u8]) -> bool {
    STRIDES.iter().any(|&stride| runs(bytes, stride, IN_A_ROW))
}

/// Whether sync bytes stand at this distance, `wanted` of them or, in a short input, all and at least two.
fn runs(bytes: &[u8], stride: usize, wanted: usize) -> bool {
    let count = bytes.len().div_ceil(stride).min(wanted);
    count >= 2 && (0..count).all(|i| bytes[i * stride] == SYNC)
}

/// Finds packets in pushed bytes.
#[derive(Debug, Default)]
pub(super) struct PacketSync {
    buffer: Vec<u8>,
    at: usize,
    stride: Option<usize>,
    /// Bytes between the last packet and the next that have not come yet.
    skip: usize,
    /// Packets that lost their sync byte, and places where the search began again.
    pub(super) damaged: u64,
}

impl PacketSync {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives up an incomplete packet; the next bytes begin a new one.
    pub(super) fn restart(&mut self) {
        self.buffer.clear();
        (self.at, self.skip) = (0, 0);
    }

    /// Whether bytes are left that make no packet.
    pub(super) fn has_rest(&self) -> bool {
        self.buffer.len() > self.at
    }

    /// The next packet, if all bytes needed to judge it are here. With `last`, no more will come.
    pub(super) fn next(&mut self, last: bool) -> Option<[u8; PACKET]> {
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
            let packet: [u8; PACKET] = rest.get(..PACKET)?.try_into().ok()?;
            if packet[0] != SYNC {
                // Only the sync byte is gone if the next two stand where they should.
                let reach = 2 * stride + 1;
                if rest.len() < reach && !last {
                    return None;
                }
                self.damaged += 1;
                let kept = rest.len() >= reach && rest[stride] == SYNC && rest[2 * stride] == SYNC;
                if kept {
                    self.at += stride;
                } else {
                    self.stride = None;
                }
                continue;
            }
            self.at += PACKET;
            self.skip = stride - PACKET;
            return Some(packet);
        }
    }

    /// Moves to the next place where packets run; whether there is one.
    fn search(&mut self, last: bool) -> bool {
        let rest = &self.buffer[self.at..];
        let places =
            if last { rest.len().saturating_sub(PACKET - 1) } else { rest.len().saturating_sub(REACH - 1) };
        for place in 0..places {
            if rest[place] != SYNC {
                continue;
            }
            let here = &rest[place..];
            let alone = last && here.len() < 2 * PACKET;
            let stride = STRIDES.into_iter().find(|&stride| alone || runs(here, stride, IN_A_ROW));
            if stride.is_some() {
                self.stride = stride;
                self.at += place;
                return true;
            }
        }
        self.at += places;
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
        let (mut sync, mut seen) = (PacketSync::default(), Vec::new());
        for chunk in bytes.chunks(push) {
            sync.push(chunk);
            while let Some(packet) = sync.next(false) {
                seen.push(packet[1]);
            }
        }
        while let Some(packet) = sync.next(true) {
            seen.push(packet[1]);
        }
        seen
    }

    #[test]
    fn packets_of_every_stride_and_cut_are_found() {
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
    fn a_lost_sync_byte_or_stretch_costs_what_it_touches() {
        let mut bytes = stream(20, 188);
        bytes[5 * 188] = 0;
        assert_eq!(packets(&bytes, 77), (0..20).filter(|&i| i != 5).collect::<Vec<_>>());
        bytes.drain(8 * 188 + 20..8 * 188 + 60);
        let seen = packets(&bytes, 500);
        assert_eq!(seen, packets(&bytes, 1));
        assert!((9..20).all(|i| i == 9 || seen.contains(&i)), "{seen:?}");
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

//! Decodes Opus packets (RFC 6716) from Ogg (RFC 7845), Matroska and MP4 to mono at 48 kHz.

use opus_pure::{OpusDecoder, OpusMSDecoder};

use super::mix;

/// Sample rate of decoded Opus audio, in hertz.
pub(super) const OPUS_RATE: u32 = 48_000;

/// Content of the identification header of an Opus track (RFC 7845, 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OpusHead {
    channels: usize,
    pre_skip: usize,
    gain: i16,
    family: u8,
}

impl OpusHead {
    fn read(data: &[u8]) -> Option<Self> {
        let rest = data.strip_prefix(b"OpusHead")?;
        let &[version, channels, skip_a, skip_b, _, _, _, _, gain_a, gain_b, family, ..] = rest else {
            return None;
        };
        // MP4 writes the same fields as version 0, most significant byte first.
        let (skip, gain) = if version == 0 {
            (u16::from_be_bytes([skip_a, skip_b]), i16::from_be_bytes([gain_a, gain_b]))
        } else {
            (u16::from_le_bytes([skip_a, skip_b]), i16::from_le_bytes([gain_a, gain_b]))
        };
        Some(Self { channels: channels.into(), pre_skip: skip.into(), gain, family })
    }
}

enum OpusDecoderKind {
    /// One stream, mono or stereo. Stereo is decoded directly to mono, which is faster than decoding both channels and
    /// mixing.
    Mono(Box<OpusDecoder>),
    Surround(OpusMSDecoder),
}

/// A decoder for one Opus track.
pub(super) struct OpusTrack {
    kind: OpusDecoderKind,
    /// Number of channels of the track.
    channels: usize,
    /// Number of samples (48 kHz) of the pre-skip that are still to be dropped.
    skip: usize,
    pcm: Vec<f32>,
}

impl OpusTrack {
    /// Creates a decoder for a track. `head` is its identification header; without one (`None`), stereo without
    /// pre-skip and gain is assumed. An error describes why the track cannot be decoded.
    pub(super) fn new(head: Option<&[u8]>) -> Result<Self, String> {
        // A track without this header can be decoded, because each packet declares mono or stereo. Only pre-skip and
        // gain are unknown.
        let fallback = OpusHead { channels: 2, pre_skip: 0, gain: 0, family: 0 };
        let head = match head {
            Some(data) => OpusHead::read(data).ok_or("Opus with a damaged header")?,
            None => fallback,
        };
        let rate = OPUS_RATE.cast_signed();
        let kind = match (head.family, head.channels) {
            (0, 1 | 2) => {
                let mut decoder = OpusDecoder::new(rate, 1).map_err(|e| e.to_string())?;
                decoder.gain_q8 = head.gain.into();
                OpusDecoderKind::Mono(Box::new(decoder))
            }
            (1, 1..=8) => {
                let mut decoder = OpusMSDecoder::new(rate, head.channels, 1).map_err(|e| e.to_string())?;
                decoder.streams_mut().iter_mut().for_each(|stream| stream.gain_q8 = head.gain.into());
                OpusDecoderKind::Surround(decoder)
            }
            (family, channels) => {
                return Err(format!("Opus with {channels} channels in mapping family {family}"));
            }
        };
        Ok(Self { kind, channels: head.channels, skip: head.pre_skip, pcm: Vec::new() })
    }

    /// Returns the number of channels of the track.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Resets the decoder, so that the next packet is decoded without the state of earlier packets.
    pub(super) fn reset(&mut self) {
        // Resetting cannot fail for a decoder that was created successfully.
        match &mut self.kind {
            OpusDecoderKind::Mono(decoder) => _ = decoder.reset_state(),
            OpusDecoderKind::Surround(decoder) => {
                decoder.streams_mut().iter_mut().for_each(|s| _ = s.reset_state());
            }
        }
    }

    /// Decodes a packet and appends its samples (48 kHz) to `mono`, without the last `drop` samples and without the
    /// pre-skip of the track. An error describes why the packet cannot be decoded; no samples are appended then.
    pub(super) fn decode(&mut self, packet: &[u8], drop: usize, mono: &mut Vec<f32>) -> Result<(), String> {
        let start = mono.len();
        let frames = opus_pure::packet::samples_48k(packet).map_err(|e| e.to_string())?;
        // A damaged packet can declare more than the 120 ms that the standard permits. The size of the buffer must not
        // depend on it.
        let frames = frames.min(opus_pure::MAX_PACKET_SAMPLES);
        match &mut self.kind {
            OpusDecoderKind::Mono(decoder) => {
                mono.resize(start + frames, 0.0);
                let done = decoder.decode(packet, frames, &mut mono[start..]);
                // If the packet cannot be decoded, the zeros that were reserved for it are removed.
                mono.truncate(start + *done.as_ref().unwrap_or(&0).min(&frames));
                done.map_err(|e| e.to_string())?;
            }
            OpusDecoderKind::Surround(decoder) => {
                self.pcm.resize(frames * self.channels, 0.0);
                let done = decoder.decode(packet, frames, &mut self.pcm).map_err(|e| e.to_string())?;
                mix::mix_interleaved(&self.pcm[..done.min(frames) * self.channels], self.channels, mono);
            }
        }
        mono.truncate(mono.len().saturating_sub(drop).max(start));
        // The pre-skip can be longer than the first packet. Its rest is then dropped from the following packets.
        let skip = self.skip.min(mono.len() - start);
        self.skip -= skip;
        mono.drain(start..start + skip);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_both_byte_orders_agree() {
        let head = OpusHead { channels: 2, pre_skip: 312, gain: -256, family: 0 };
        let ogg = b"OpusHead\x01\x02\x38\x01\x80\xBB\x00\x00\x00\xFF\x00";
        let mp4 = b"OpusHead\x00\x02\x01\x38\x00\x00\xBB\x80\xFF\x00\x00";
        assert_eq!(OpusHead::read(ogg), Some(head));
        assert_eq!(OpusHead::read(mp4), Some(head));
        assert_eq!(OpusHead::read(&ogg[..18]), None);
    }

    #[test]
    fn errors_name_unsupported_channel_layouts() {
        let ambisonic = b"OpusHead\x01\x04\x38\x01\x80\xBB\x00\x00\x00\x00\x02";
        assert!(OpusTrack::new(Some(ambisonic)).err().unwrap().contains("family 2"));
        assert!(OpusTrack::new(Some(b"OpusTags")).is_err());
    }
}

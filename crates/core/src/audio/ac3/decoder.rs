//! The decoder of one track.

use super::block::FrameDecoder;
use super::bsi::FrameInfo;
use super::checksum;
use super::fields::{Ac3Result, FieldReader};
use super::header::{HEADER_BYTES, SyncHeader};
use super::hybrid::HybridTransform;
use super::transform::{InverseTransform, MonoSpectrum};

/// A decoder for one track of AC-3 or E-AC-3.
#[derive(Debug)]
pub(in super::super) struct Ac3Track {
    transform: InverseTransform,
    hybrid: HybridTransform,
    /// Description of the last decoded frame. `None` before the first frame.
    last: Option<FrameInfo>,
}

impl Ac3Track {
    /// Creates a decoder.
    pub(in super::super) fn new() -> Self {
        Self { transform: InverseTransform::new(), hybrid: HybridTransform::new(), last: None }
    }

    /// Resets the decoder, so that the next frame is decoded without the state of earlier frames.
    pub(in super::super) fn reset(&mut self) {
        self.transform.reset();
    }

    /// Returns the sample rate in hertz of the last frame, and its number of channels including LFE. Both are 0 before
    /// the first frame.
    pub(in super::super) fn shape(&self) -> (u32, usize) {
        self.last.map_or((0, 0), |info| (info.header.rate, info.channels + usize::from(info.lfe)))
    }

    /// Decodes a packet and appends its samples, mixed to mono, to `mono`. A packet contains one or more whole frames;
    /// those of other substreams are skipped. An error describes why the packet cannot be decoded; no samples are
    /// appended then.
    pub(in super::super) fn decode(
        &mut self,
        packet: &[u8],
        mono: &mut Vec<f32>,
    ) -> Result<(), &'static str> {
        let start = mono.len();
        let done = self.decode_frames(packet, mono);
        if done.is_err() {
            mono.truncate(start);
        }
        done
    }

    fn decode_frames(&mut self, packet: &[u8], mono: &mut Vec<f32>) -> Ac3Result<()> {
        let mut rest = packet;
        let mut decoded = false;
        while let Some(header) = rest.first_chunk::<HEADER_BYTES>().and_then(SyncHeader::read) {
            let (frame, after) = rest.split_at_checked(header.length).ok_or("the frame is incomplete")?;
            if header.is_main() {
                self.decode_frame(header, frame, mono)?;
                decoded = true;
            }
            rest = after;
        }
        if decoded { Ok(()) } else { Err("the packet contains no frame of the main program") }
    }

    fn decode_frame(&mut self, header: SyncHeader, frame: &[u8], mono: &mut Vec<f32>) -> Ac3Result<()> {
        if !checksum::is_valid(frame) {
            return Err("the checksum of the frame is wrong");
        }
        let mut fields = FieldReader::new(frame);
        let info = FrameInfo::read(header, &mut fields)?;
        let mut decoder = FrameDecoder::new(info, &mut self.hybrid, &mut fields)?;
        for block in 0..header.blocks {
            let mut spectrum = MonoSpectrum::new();
            decoder.decode(block, &mut fields, &mut spectrum)?;
            self.transform.block(&mut spectrum, mono);
        }
        self.last = Some(info);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_without_a_whole_frame_are_errors() {
        let mut mono = vec![1.0];
        let mut track = Ac3Track::new();
        let short = [0x0B, 0x77, 0, 0, 0x14, 0x40];
        assert_eq!(track.decode(&short, &mut mono), Err("the frame is incomplete"));
        let zeros = [&short[..], &[0; 762]].concat();
        assert_eq!(track.decode(&zeros, &mut mono), Err("the checksum of the frame is wrong"));
        assert!(track.decode(b"", &mut mono).is_err() && track.decode(&[0; 100], &mut mono).is_err());
        let dependent = [&[0x0B, 0x77, 0x40, 4, 0x34, 0x80][..], &[0; 4]].concat();
        assert!(track.decode(&dependent, &mut mono).unwrap_err().contains("main program"));
        assert_eq!((mono.as_slice(), track.shape()), (&[1.0][..], (0, 0)));
    }
}

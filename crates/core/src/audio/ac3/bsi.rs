//! Reads the bit stream information, which describes the content of a frame: AC-3 (ATSC A/52:2018, 5.3.2) and E-AC-3
//! (annex E, 2.2.2).

use super::fields::{Ac3Result, FieldReader};
use super::header::{FrameKind, MAX_BLOCKS, SyncHeader};

/// Number of full-bandwidth channels of each audio coding mode (table 5.8).
const MODE_CHANNELS: [usize; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

/// Description of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameInfo {
    /// Start of the frame.
    pub(super) header: SyncHeader,
    /// Audio coding mode, 0 to 7: the arrangement of the full-bandwidth channels.
    pub(super) mode: usize,
    /// Number of full-bandwidth channels, 1 to 5.
    pub(super) channels: usize,
    /// True if the frame contains a channel for low-frequency effects (LFE).
    pub(super) lfe: bool,
}

impl FrameInfo {
    /// Reads the bit stream information of a frame with this header. `fields` is at the first bit of the frame, and
    /// afterwards at the first bit after the information.
    pub(super) fn read(header: SyncHeader, fields: &mut FieldReader<'_>) -> Ac3Result<Self> {
        match header.kind {
            FrameKind::Ac3 => Self::read_ac3(header, fields),
            FrameKind::Enhanced { stream_type, .. } => Self::read_enhanced(header, stream_type, fields),
        }
    }

    fn new(header: SyncHeader, mode: usize, lfe: bool) -> Self {
        Self { header, mode, channels: MODE_CHANNELS[mode & 7], lfe }
    }

    /// Returns true for E-AC-3.
    pub(super) fn is_enhanced(&self) -> bool {
        self.header.is_enhanced()
    }

    /// Returns true for an independent substream of E-AC-3 that was not converted from AC-3.
    pub(super) fn is_independent(&self) -> bool {
        matches!(self.header.kind, FrameKind::Enhanced { stream_type: 0, .. })
    }

    /// Returns true for the mode with a left and a right channel.
    pub(super) fn is_stereo(&self) -> bool {
        self.mode == 2
    }

    /// Returns true for the mode with two independent mono channels.
    pub(super) fn is_dual_mono(&self) -> bool {
        self.mode == 0
    }

    fn read_ac3(header: SyncHeader, fields: &mut FieldReader<'_>) -> Ac3Result<Self> {
        fields.skip(40 + 5 + 3)?; // sync information, version, service
        let mode = fields.number(3)?;
        if mode & 1 == 1 && mode != 1 {
            fields.skip(2)?; // mix level of the center
        }
        if mode & 4 != 0 {
            fields.skip(2)?; // mix level of the surround channels
        }
        if mode == 2 {
            fields.skip(2)?; // Dolby Surround
        }
        let info = Self::new(header, mode, fields.flag()?);
        let programs = if info.is_dual_mono() { 2 } else { 1 };
        for _ in 0..programs {
            fields.skip(5)?; // level of dialogue
            fields.skip_optional(8)?; // compression
            fields.skip_optional(8)?; // language
            fields.skip_optional(7)?; // production
        }
        fields.skip(2)?; // copyright, original
        fields.skip_optional(14)?; // time code, or mix levels
        fields.skip_optional(14)?;
        skip_additional(fields)?;
        Ok(info)
    }

    fn read_enhanced(header: SyncHeader, stream_type: u8, fields: &mut FieldReader<'_>) -> Ac3Result<Self> {
        fields.skip(16 + 2 + 3 + 11 + 2 + 2)?; // up to the number of blocks
        let mode = fields.number(3)?;
        let info = Self::new(header, mode, fields.flag()?);
        fields.skip(5)?; // version
        let programs = if info.is_dual_mono() { 2 } else { 1 };
        for _ in 0..programs {
            fields.skip(5)?; // level of dialogue
            fields.skip_optional(8)?; // compression
        }
        if stream_type == 1 {
            fields.skip_optional(16)?; // channels of a dependent substream
        }
        if fields.flag()? {
            info.skip_mix_levels(stream_type, fields)?;
        }
        if fields.flag()? {
            info.skip_service(fields)?;
        }
        if stream_type == 0 && header.blocks != MAX_BLOCKS {
            fields.skip(1)?; // synchronization of a converter
        }
        // A converted frame of six blocks always has the size code of its original, and a shorter frame has it if it
        // is the first part of the original.
        if stream_type == 2 && (header.blocks == MAX_BLOCKS || fields.flag()?) {
            fields.skip(6)?;
        }
        skip_additional(fields)?;
        Ok(info)
    }

    fn skip_mix_levels(&self, stream_type: u8, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        if self.mode > 2 {
            fields.skip(2)?; // preferred stereo mix
        }
        if self.mode & 1 == 1 && self.mode > 2 {
            fields.skip(6)?; // center
        }
        if self.mode & 4 != 0 {
            fields.skip(6)?; // surround
        }
        if self.lfe {
            fields.skip_optional(5)?;
        }
        if stream_type != 0 {
            return Ok(());
        }
        fields.skip_optional(6)?; // scale of the program
        if self.is_dual_mono() {
            fields.skip_optional(6)?;
        }
        fields.skip_optional(6)?; // scale of an external program
        match fields.number(2)? {
            0 => {}
            1 => fields.skip(5)?,
            2 => fields.skip(12)?,
            _ => {
                let bytes = fields.number(5)? + 2;
                fields.skip(8 * bytes)?;
            }
        }
        if self.mode < 2 {
            fields.skip_optional(14)?; // panning
            if self.is_dual_mono() {
                fields.skip_optional(14)?;
            }
        }
        if fields.flag()? {
            if self.header.blocks == 1 {
                fields.skip(5)?;
            } else {
                (0..self.header.blocks).try_for_each(|_| fields.skip_optional(5))?;
            }
        }
        Ok(())
    }

    fn skip_service(&self, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        fields.skip(3 + 2)?; // service, copyright, original
        if self.is_stereo() {
            fields.skip(4)?; // Dolby Surround, headphones
        }
        if self.mode >= 6 {
            fields.skip(2)?; // Dolby Surround EX
        }
        fields.skip_optional(8)?; // production
        if self.is_dual_mono() {
            fields.skip_optional(8)?;
        }
        // Always present, because reduced sample rates are rejected.
        fields.skip(1)
    }
}

fn skip_additional(fields: &mut FieldReader<'_>) -> Ac3Result<()> {
    if fields.flag()? {
        let bytes = fields.number(6)? + 1;
        fields.skip(8 * bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_of_both_kinds_are_read() {
        // 48 kHz, 384 kbit/s, version 8, 3/2 with LFE; center 0, surround 0; no optional fields.
        let ac3 = [0x0B, 0x77, 0, 0, 0x1C, 0x40, 0xE1, 0x00, 0x00, 0x00, 0x00, 0x00];
        let header = SyncHeader::read(ac3.first_chunk().unwrap()).unwrap();
        let info = FrameInfo::read(header, &mut FieldReader::new(&ac3)).unwrap();
        assert_eq!((info.mode, info.channels, info.lfe), (7, 5, true));
        assert!(!info.is_enhanced());
        // 48 kHz, six blocks, stereo without LFE, version 16; no optional fields.
        let enhanced = [0x0B, 0x77, 0x01, 0x7F, 0x34, 0x80, 0x00, 0x00, 0x00, 0x00];
        let header = SyncHeader::read(enhanced.first_chunk().unwrap()).unwrap();
        let info = FrameInfo::read(header, &mut FieldReader::new(&enhanced)).unwrap();
        assert_eq!((info.mode, info.channels, info.lfe), (2, 2, false));
        assert!(info.is_enhanced());
        assert!(FrameInfo::read(header, &mut FieldReader::new(&enhanced[..6])).is_err());
    }
}

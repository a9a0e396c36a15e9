//! Reads the settings of a whole E-AC-3 frame (audfrm, ATSC A/52:2018, annex E, 2.2.3). Frames of AC-3 contain the
//! same settings in each block.

use super::bsi::FrameInfo;
use super::fields::{Ac3Result, FieldReader};
use super::header::{FrameKind, MAX_BLOCKS};
use super::{CHANNELS, COUPLING, LFE};

/// Exponent strategy of a channel in a block: 0 reuses the exponents of the block before, and 1, 2 and 3 mean new
/// exponents for each coefficient, for pairs and for groups of four (D15, D25, D45).
pub(super) type ExponentStrategy = u8;

/// Exponent strategy of a block that keeps the exponents of the block before.
pub(super) const REUSE: ExponentStrategy = 0;

/// Where a frame contains the offsets of the signal-to-noise ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SnrOffsets {
    /// One coarse and one fine offset for the whole frame.
    Frame {
        /// Coarse offset.
        coarse: i32,
        /// Fine offset of all channels.
        fine: i32,
    },
    /// One coarse and one fine offset for all channels of a block.
    Block,
    /// One coarse offset for all channels of a block, and one fine offset for each channel.
    Channel,
}

/// Settings of an E-AC-3 frame.
#[derive(Debug, Clone)]
pub(super) struct FrameSettings {
    /// For each block, true if it contains a coupling strategy.
    pub(super) coupling_new: [bool; MAX_BLOCKS],
    /// For each block, true if coupling is in use.
    pub(super) coupling_in_use: [bool; MAX_BLOCKS],
    /// Exponent strategies for each block and channel.
    pub(super) exponents: [[ExponentStrategy; CHANNELS]; MAX_BLOCKS],
    /// For each channel, true if the adaptive hybrid transform is in use.
    pub(super) hybrid_transform: [bool; CHANNELS],
    /// Place of the offsets of the signal-to-noise ratio.
    pub(super) snr_offsets: SnrOffsets,
    /// True if blocks contain the flags of short transforms.
    pub(super) block_switching: bool,
    /// True if blocks contain the flags of dither.
    pub(super) dither_flags: bool,
    /// True if blocks contain parameters of the bit allocation.
    pub(super) bit_allocation: bool,
    /// True if blocks contain fast gains.
    pub(super) fast_gain: bool,
    /// True if blocks contain corrections of the bit allocation.
    pub(super) delta: bool,
    /// True if blocks contain fields to skip.
    pub(super) skip_fields: bool,
}

impl FrameSettings {
    /// Reads the settings of a frame. `fields` is at the first bit after the bit stream information.
    pub(super) fn read(info: &FrameInfo, fields: &mut FieldReader<'_>) -> Ac3Result<Self> {
        let blocks = info.header.blocks;
        let whole = blocks == MAX_BLOCKS;
        let (by_block, hybrid) = if whole { (fields.flag()?, fields.flag()?) } else { (true, false) };
        let snr_code = fields.number(2)?;
        let transients = fields.flag()?;
        let mut settings = Self {
            block_switching: fields.flag()?,
            dither_flags: fields.flag()?,
            bit_allocation: fields.flag()?,
            fast_gain: fields.flag()?,
            delta: fields.flag()?,
            skip_fields: fields.flag()?,
            coupling_new: [false; MAX_BLOCKS],
            coupling_in_use: [false; MAX_BLOCKS],
            exponents: [[REUSE; CHANNELS]; MAX_BLOCKS],
            hybrid_transform: [false; CHANNELS],
            snr_offsets: SnrOffsets::Block,
        };
        let attenuation = fields.flag()?;
        settings.read_coupling(info, fields)?;
        settings.read_exponents(info, by_block, fields)?;
        // A converter to AC-3 uses other exponent strategies.
        let stream_type = match info.header.kind {
            FrameKind::Enhanced { stream_type, .. } => stream_type,
            FrameKind::Ac3 => return Err("AC-3 has no settings of a frame"),
        };
        if stream_type == 0 && (whole || fields.flag()?) {
            fields.skip(5 * info.channels)?;
        }
        if hybrid {
            settings.read_hybrid_transform(info, fields)?;
        }
        settings.snr_offsets = match snr_code {
            0 => SnrOffsets::Frame { coarse: fields.integer(6)?, fine: fields.integer(4)? },
            1 => SnrOffsets::Block,
            2 => SnrOffsets::Channel,
            _ => return Err("reserved place of the signal-to-noise ratio"),
        };
        if transients {
            (0..info.channels).try_for_each(|_| fields.skip_optional(10 + 8))?;
        }
        if attenuation {
            (0..info.channels).try_for_each(|_| fields.skip_optional(5))?;
        }
        if blocks > 1 && fields.flag()? {
            let words = info.header.length / 2;
            let width = 4 + (usize::BITS - (words - 1).leading_zeros()) as usize;
            fields.skip((blocks - 1) * width)?; // positions of the blocks
        }
        Ok(settings)
    }

    fn read_coupling(&mut self, info: &FrameInfo, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        if info.mode < 2 {
            return Ok(()); // one channel, or two independent ones
        }
        for block in 0..info.header.blocks {
            self.coupling_new[block] = block == 0 || fields.flag()?;
            self.coupling_in_use[block] =
                if self.coupling_new[block] { fields.flag()? } else { self.coupling_in_use[block - 1] };
        }
        Ok(())
    }

    fn read_exponents(
        &mut self,
        info: &FrameInfo,
        by_block: bool,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<()> {
        let blocks = info.header.blocks;
        if by_block {
            for block in 0..blocks {
                if self.coupling_in_use[block] {
                    self.exponents[block][COUPLING] = fields.number(2)? as ExponentStrategy;
                }
                for channel in 0..info.channels {
                    self.exponents[block][channel] = fields.number(2)? as ExponentStrategy;
                }
            }
        } else {
            let couples = self.coupling_in_use.contains(&true).then_some(COUPLING);
            for channel in couples.into_iter().chain(0..info.channels) {
                let strategies = of_frame(fields.number(5)?);
                for (block, strategy) in strategies.into_iter().enumerate() {
                    self.exponents[block][channel] = strategy;
                }
            }
        }
        if info.lfe {
            for block in 0..blocks {
                self.exponents[block][LFE] = u8::from(fields.flag()?);
            }
        }
        Ok(())
    }

    fn read_hybrid_transform(&mut self, info: &FrameInfo, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        let always_coupled = self.coupling_in_use.iter().all(|&in_use| in_use);
        // The transform spans all blocks, so only channels whose exponents do not change can use it.
        let couples = always_coupled.then_some(COUPLING);
        let lfe = info.lfe.then_some(LFE);
        let others = (0..info.channels).chain(lfe);
        for channel in couples.into_iter().chain(others) {
            if self.sets(channel) == 1 {
                self.hybrid_transform[channel] = fields.flag()?;
            }
        }
        Ok(())
    }

    /// Returns the number of blocks with new exponents for a channel.
    fn sets(&self, channel: usize) -> usize {
        let is_new = |block: &usize| {
            let coupling_changes = channel == COUPLING && self.coupling_new[*block];
            coupling_changes || self.exponents[*block][channel] != REUSE
        };
        (0..MAX_BLOCKS).filter(is_new).count()
    }
}

/// Returns the exponent strategies of the six blocks for a code (annex E, table E2.10). The bits of the code say which
/// blocks after the first have new exponents, and the number of blocks until the next ones decides the strategy.
fn of_frame(code: usize) -> [ExponentStrategy; MAX_BLOCKS] {
    let is_new = |block: usize| block == 0 || code >> (MAX_BLOCKS - 1 - block) & 1 == 1;
    std::array::from_fn(|block| {
        if !is_new(block) {
            return REUSE;
        }
        match (block + 1..MAX_BLOCKS).take_while(|&next| !is_new(next)).count() {
            0 => 3,
            1 | 2 => 2,
            _ => 1,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_frames_give_the_strategies_of_the_standard() {
        assert_eq!(of_frame(0), [1, 0, 0, 0, 0, 0]);
        assert_eq!(of_frame(1), [1, 0, 0, 0, 0, 3]);
        assert_eq!(of_frame(4), [2, 0, 0, 2, 0, 0]);
        assert_eq!(of_frame(8), [2, 0, 1, 0, 0, 0]);
        assert_eq!(of_frame(22), [3, 2, 0, 3, 2, 0]);
        assert_eq!(of_frame(31), [3; 6]);
    }
}

//! Decodes the audio blocks of one frame to frequency coefficients (ATSC A/52:2018, 5.3.3; annex E, 2.2.4).

use super::allocation::{DEFAULT_FAST_GAIN, MaskingParameters};
use super::bsi::FrameInfo;
use super::channel::Channel;
use super::coupling::Coupling;
use super::delta::DeltaUpdate;
use super::extension::SpectralExtension;
use super::fields::{Ac3Result, FieldReader};
use super::hybrid::{self, HybridTransform};
use super::mantissas::MantissaReader;
use super::rematrix::Rematrixing;
use super::strategy::{ExponentStrategy, FrameSettings, REUSE, SnrOffsets};
use super::tables;
use super::transform::MonoSpectrum;
use super::{CHANNELS, COUPLING, LFE};

/// Number of coefficients of the LFE channel.
const LFE_BINS: usize = 7;

/// State of a frame while its blocks are decoded. The state does not outlive the frame, so a damaged frame does not
/// affect the next one.
pub(super) struct FrameDecoder<'a> {
    info: FrameInfo,
    /// Settings of the frame for E-AC-3. `None` for AC-3, whose blocks contain all settings.
    settings: Option<FrameSettings>,
    channels: [Channel; CHANNELS],
    coupling: Coupling,
    extension: SpectralExtension,
    rematrixing: Rematrixing,
    parameters: MaskingParameters,
    coarse_snr: i32,
    hybrid: &'a mut HybridTransform,
}

impl<'a> FrameDecoder<'a> {
    /// Reads the information before the first block of a frame. `hybrid` is memory of the track that the frame uses.
    pub(super) fn new(
        info: FrameInfo,
        hybrid: &'a mut HybridTransform,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<Self> {
        let settings = if info.is_enhanced() { Some(FrameSettings::read(&info, fields)?) } else { None };
        Ok(Self {
            info,
            settings,
            channels: std::array::from_fn(|_| Channel::new()),
            coupling: Coupling::new(),
            extension: SpectralExtension::new(),
            rematrixing: Rematrixing::default(),
            parameters: MaskingParameters::default(),
            coarse_snr: 0,
            hybrid,
        })
    }

    /// Decodes the next block, `block`, and adds its channels to `spectrum`. The blocks must be decoded in order.
    pub(super) fn decode(
        &mut self,
        block: usize,
        fields: &mut FieldReader<'_>,
        spectrum: &mut MonoSpectrum,
    ) -> Ac3Result<()> {
        self.read_flags(fields)?;
        self.read_coupling(block, fields)?;
        if self.info.is_stereo() {
            let always = self.settings.is_some() && block == 0;
            self.rematrixing.read(always, &self.coupling, &self.extension, fields)?;
        }
        self.read_exponents(block, fields)?;
        self.read_allocation(block, fields)?;
        if self.settings.as_ref().is_none_or(|settings| settings.skip_fields) && fields.flag()? {
            let bytes = fields.number(9)?;
            fields.skip(8 * bytes)?;
        }
        self.read_coefficients(block, fields)?;
        self.coupling.apply(&mut self.channels);
        if self.info.is_stereo() {
            self.rematrixing.apply(&self.coupling, &self.extension, &mut self.channels);
        }
        // Mixing to mono is an average of all channels, as for most codecs.
        let count = self.info.channels + usize::from(self.info.lfe);
        let audible = (0..self.info.channels).chain(self.info.lfe.then_some(LFE));
        for channel in audible.map(|number| &self.channels[number]) {
            spectrum.add(&channel.coefficients, channel.short, 1.0 / count as f32);
        }
        Ok(())
    }

    /// Returns the numbers of the channels with exponents in the order of the standard.
    fn active(&self) -> impl Iterator<Item = usize> + use<> {
        let coupling = self.coupling.in_use.then_some(COUPLING);
        coupling.into_iter().chain(0..self.info.channels).chain(self.info.lfe.then_some(LFE))
    }

    fn read_flags(&mut self, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        let (switching, dither) = self
            .settings
            .as_ref()
            .map_or((true, true), |settings| (settings.block_switching, settings.dither_flags));
        for channel in &mut self.channels[..self.info.channels] {
            channel.short = switching && fields.flag()?;
        }
        if dither {
            fields.skip(self.info.channels)?;
        }
        // The dynamic range is not compressed: fingerprints are made from the original dynamics.
        fields.skip_optional(8)?;
        if self.info.is_dual_mono() {
            fields.skip_optional(8)?;
        }
        Ok(())
    }

    fn read_coupling(&mut self, block: usize, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        if let Some(settings) = &self.settings {
            self.extension.read(&self.info, block, fields)?;
            if settings.coupling_new[block] || block == 0 {
                let in_use = settings.coupling_in_use[block];
                let end = self.extension.coupling_end();
                self.coupling.read_enhanced_strategy(&self.info, in_use, end, fields)?;
            }
        } else if fields.flag()? {
            self.coupling.read_strategy(&self.info, fields)?;
        } else if block == 0 {
            return Err("the first block has no coupling strategy");
        }
        self.coupling.read_coordinates(&self.info, fields)
    }

    fn read_exponents(&mut self, block: usize, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        let strategies = match &self.settings {
            Some(settings) => settings.exponents[block],
            None => self.read_strategies(fields)?,
        };
        if block == 0 && self.active().any(|channel| strategies[channel] == REUSE) {
            return Err("the first block has no exponents");
        }
        let mut ends = [0; CHANNELS];
        for channel in (0..self.info.channels).filter(|&channel| strategies[channel] != REUSE) {
            ends[channel] = if self.coupling.coupled[channel] {
                self.coupling.range.start
            } else if self.extension.in_use && self.extension.channels[channel] {
                self.extension.begin_bin()
            } else {
                match fields.number(6)? {
                    code @ 0..=60 => 37 + 3 * (code + 12),
                    _ => return Err("invalid bandwidth"),
                }
            };
        }
        for channel in self.active().filter(|&channel| strategies[channel] != REUSE) {
            let strategy = strategies[channel];
            let state = &mut self.channels[channel];
            match channel {
                COUPLING => state.read_coupling_exponents(self.coupling.range.clone(), strategy, fields)?,
                LFE => state.read_exponents(0..LFE_BINS, strategy, fields)?,
                _ => {
                    state.read_exponents(0..ends[channel], strategy, fields)?;
                    fields.skip(2)?; // range of the gain
                }
            }
        }
        Ok(())
    }

    /// Reads the exponent strategies of an AC-3 block.
    fn read_strategies(&self, fields: &mut FieldReader<'_>) -> Ac3Result<[ExponentStrategy; CHANNELS]> {
        let mut strategies = [REUSE; CHANNELS];
        for channel in self.active() {
            let width = if channel == LFE { 1 } else { 2 };
            strategies[channel] = fields.number(width)? as ExponentStrategy;
        }
        Ok(strategies)
    }

    fn read_allocation(&mut self, block: usize, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        if self.settings.as_ref().is_none_or(|settings| settings.bit_allocation) && fields.flag()? {
            self.parameters = MaskingParameters::read(fields)?;
        }
        match self.settings.as_ref().map(|settings| (settings.snr_offsets, settings.fast_gain)) {
            None if fields.flag()? => {
                self.coarse_snr = fields.integer(6)?;
                for channel in self.active() {
                    self.channels[channel].fine_snr = fields.integer(4)?;
                    self.channels[channel].fast_gain = fields.number(3)?;
                }
            }
            None if block == 0 => return Err("the first block has no signal-to-noise ratio"),
            None => {}
            Some((snr_offsets, fast_gain)) => {
                self.read_enhanced_offsets(snr_offsets, fast_gain, block, fields)?;
            }
        }
        self.coupling.read_leaks(&self.info, fields)?;
        if self.settings.as_ref().is_none_or(|settings| settings.delta) && fields.flag()? {
            let channels =
                || self.coupling.in_use.then_some(COUPLING).into_iter().chain(0..self.info.channels);
            let mut updates = [DeltaUpdate::Keep; CHANNELS];
            for channel in channels() {
                updates[channel] = DeltaUpdate::read(fields)?;
            }
            for channel in channels() {
                updates[channel].apply(fields, &mut self.channels[channel].delta)?;
            }
        }
        self.allocate();
        Ok(())
    }

    fn read_enhanced_offsets(
        &mut self,
        snr_offsets: SnrOffsets,
        fast_gain: bool,
        block: usize,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<()> {
        match snr_offsets {
            SnrOffsets::Frame { coarse, fine } => {
                self.coarse_snr = coarse;
                self.channels.iter_mut().for_each(|channel| channel.fine_snr = fine);
            }
            SnrOffsets::Block | SnrOffsets::Channel if block == 0 || fields.flag()? => {
                self.coarse_snr = fields.integer(6)?;
                if snr_offsets == SnrOffsets::Block {
                    let fine = fields.integer(4)?;
                    self.channels.iter_mut().for_each(|channel| channel.fine_snr = fine);
                } else {
                    for channel in self.active() {
                        self.channels[channel].fine_snr = fields.integer(4)?;
                    }
                }
            }
            SnrOffsets::Block | SnrOffsets::Channel => {}
        }
        let has_gains = fast_gain && fields.flag()?;
        for channel in self.active() {
            self.channels[channel].fast_gain = if has_gains { fields.number(3)? } else { DEFAULT_FAST_GAIN };
        }
        // An offset for converters to AC-3, only in independent substreams.
        if self.info.is_independent() { fields.skip_optional(10) } else { Ok(()) }
    }

    /// Computes the number of bits of all mantissas of a block.
    fn allocate(&mut self) {
        let silent =
            self.coarse_snr == 0 && self.active().all(|channel| self.channels[channel].fine_snr == 0);
        for channel in self.active() {
            let leaks = if channel == COUPLING { self.coupling.leaks } else { (0, 0) };
            let hybrid = self.settings.as_ref().is_some_and(|settings| settings.hybrid_transform[channel]);
            let pointers = if hybrid { &hybrid::POINTERS } else { &tables::POINTERS };
            let state = &mut self.channels[channel];
            if silent {
                state.pointers.fill(0); // all offsets are 0: the block contains no mantissas (7.2.2.1)
            } else {
                state.allocate(
                    &self.parameters,
                    self.coarse_snr,
                    self.info.header.rate_code,
                    leaks,
                    pointers,
                );
            }
        }
    }

    fn read_coefficients(&mut self, block: usize, fields: &mut FieldReader<'_>) -> Ac3Result<()> {
        let mut mantissas = MantissaReader::default();
        let mut has_coupling = false;
        // The coupling channel follows the first coupled channel.
        for channel in (0..self.info.channels).chain(self.info.lfe.then_some(LFE)) {
            self.read_channel(channel, block, &mut mantissas, fields)?;
            if channel != LFE && self.coupling.coupled[channel] && !has_coupling {
                has_coupling = true;
                self.read_channel(COUPLING, block, &mut mantissas, fields)?;
            }
        }
        Ok(())
    }

    fn read_channel(
        &mut self,
        channel: usize,
        block: usize,
        mantissas: &mut MantissaReader,
        fields: &mut FieldReader<'_>,
    ) -> Ac3Result<()> {
        let state = &mut self.channels[channel];
        if self.settings.as_ref().is_some_and(|settings| settings.hybrid_transform[channel]) {
            return self.hybrid.read(channel, block, state, fields);
        }
        state.read_coefficients(mantissas, fields)
    }
}

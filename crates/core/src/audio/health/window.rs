//! Averages over the last blocks.

use std::collections::VecDeque;

use super::meter::HealthBlock;

/// Number of blocks in the window: 3 s, 60 periods of the lowest note of 20 Hz. At half this value, low notes give a
/// mean that looks like a DC offset; at twice this value, alerts end 3 s later.
const WINDOW_BLOCKS: usize = 30;

/// Number of blocks in a second.
const SECOND_BLOCKS: usize = 10;

/// The last blocks of a stream, all of the same format.
#[derive(Debug)]
pub(super) struct Window {
    blocks: VecDeque<HealthBlock>,
}

/// Averages over the last 3 s.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Averages {
    /// Mean squares of the first two channels.
    pub(super) power: [f64; 2],
    /// Correlation of the first two channels, −1 to 1; `None` if one of them is silent, and for mono.
    pub(super) correlation: Option<f64>,
    /// Mean with the higher magnitude of the first two channels.
    pub(super) dc_offset: f64,
    /// Clipped samples per second in all channels, over the last second.
    pub(super) clipped_per_second: f64,
    /// Highest magnitude of a sample.
    pub(super) peak: f64,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { blocks: VecDeque::with_capacity(WINDOW_BLOCKS) }
    }

    /// Adds a block.
    pub(super) fn push(&mut self, block: &HealthBlock) {
        if self.blocks.len() >= WINDOW_BLOCKS {
            self.blocks.pop_front();
        }
        self.blocks.push_back(*block);
    }

    /// Discards all blocks, because the format has changed.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
    }

    /// Returns true if the window is full, so that its averages are meaningful.
    pub(super) fn is_full(&self) -> bool {
        self.blocks.len() >= WINDOW_BLOCKS
    }

    /// Returns the averages. `silence` is the mean square below which a channel has no correlation.
    pub(super) fn averages(&self, silence: f64) -> Averages {
        let count = self.blocks.len().max(1) as f64;
        let mean = |value: fn(&HealthBlock) -> f32| {
            self.blocks.iter().map(|block| f64::from(value(block))).sum::<f64>() / count
        };
        let power = [mean(|block| block.power[0]), mean(|block| block.power[1])];
        let dc = [mean(|block| block.mean[0]), mean(|block| block.mean[1])];
        let is_stereo = self.blocks.back().is_some_and(|block| block.channels > 1);
        let has_signal = is_stereo && power.iter().all(|power| *power > silence);
        // A DC offset of both channels is not a correlation of their audio.
        let variance = [power[0] - dc[0] * dc[0], power[1] - dc[1] * dc[1]].map(|value| value.max(0.0));
        let norm = (variance[0] * variance[1]).sqrt();
        let covariance = mean(|block| block.product) - dc[0] * dc[1];
        let last_second = self.blocks.iter().rev().take(SECOND_BLOCKS);
        Averages {
            power,
            correlation: (has_signal && norm > 0.0).then(|| (covariance / norm).clamp(-1.0, 1.0)),
            dc_offset: if dc[0].abs() > dc[1].abs() { dc[0] } else { dc[1] },
            clipped_per_second: last_second.map(|block| f64::from(block.clipped)).sum(),
            peak: self.blocks.iter().map(|block| f64::from(block.peak)).fold(0.0, f64::max),
        }
    }
}

//! Loudness by EBU R 128: momentary, short-term and integrated, in bounded memory.

use std::collections::VecDeque;

use super::meter::HealthBlock;

/// Blocks of a tenth of a second in the window of the momentary loudness (400 ms) and of the short-term loudness (3 s).
const MOMENTARY_BLOCKS: usize = 4;
const SHORT_TERM_BLOCKS: usize = 30;

/// Loudness in LUFS below which a gating block does not count: the absolute gate.
const ABSOLUTE_GATE: f64 = -70.0;

/// Distance in LU of the relative gate below the loudness of all blocks above the absolute gate.
const RELATIVE_GATE: f64 = 10.0;

/// Width of a class of the histogram in LU. The blocks near the relative gate are counted or left out with their whole
/// class. At twice this value, the integrated loudness can be wrong by 0.1 LU; at half this value, a stream takes 12 kB
/// more.
const CLASS_WIDTH: f64 = 0.1;

/// Number of classes, from −70 LUFS to +10 LUFS. Louder blocks are in the last class.
const CLASSES: usize = 800;

/// Loudness in LUFS of a mean square after weighting (ITU-R BS.1770-5); infinity for silence.
pub(super) fn loudness(power: f64) -> f64 {
    /// Offset that makes a sine of 997 Hz at 0 dBFS in one channel −3.01 LUFS.
    const OFFSET: f64 = -0.691;
    OFFSET + 10.0 * power.log10()
}

/// The powers of the last blocks, and a histogram of all gating blocks.
#[derive(Debug)]
pub(super) struct LoudnessMeter {
    powers: VecDeque<f64>,
    /// Number of gating blocks and sum of their powers, for each class of loudness.
    classes: Box<[(u32, f64)]>,
}

impl LoudnessMeter {
    pub(super) fn new() -> Self {
        Self {
            powers: VecDeque::with_capacity(SHORT_TERM_BLOCKS),
            classes: vec![(0, 0.0); CLASSES].into_boxed_slice(),
        }
    }

    /// Adds a block.
    pub(super) fn push(&mut self, block: &HealthBlock) {
        if self.powers.len() >= SHORT_TERM_BLOCKS {
            self.powers.pop_front();
        }
        self.powers.push_back(f64::from(block.weighted_power));
        let Some(power) = self.mean(MOMENTARY_BLOCKS) else { return };
        let above = (loudness(power) - ABSOLUTE_GATE) / CLASS_WIDTH;
        // Silence gives minus infinity.
        if above >= 0.0
            && let Some((count, sum)) = self.classes.get_mut((above as usize).min(CLASSES - 1))
        {
            *count = count.saturating_add(1);
            *sum += power;
        }
    }

    /// Returns the momentary loudness in LUFS; `None` before there are 400 ms.
    pub(super) fn momentary(&self) -> Option<f64> {
        self.mean(MOMENTARY_BLOCKS).map(loudness)
    }

    /// Returns the short-term loudness in LUFS; `None` before there are 3 s.
    pub(super) fn short_term(&self) -> Option<f64> {
        self.mean(SHORT_TERM_BLOCKS).map(loudness)
    }

    /// Returns the integrated loudness of all audio in LUFS; `None` while all of it is below the absolute gate.
    pub(super) fn integrated(&self) -> Option<f64> {
        let gate = loudness(mean_of(&self.classes)?) - RELATIVE_GATE;
        let first = ((gate - ABSOLUTE_GATE) / CLASS_WIDTH).round().max(0.0) as usize;
        mean_of(self.classes.get(first..)?).map(loudness)
    }

    fn mean(&self, blocks: usize) -> Option<f64> {
        let start = self.powers.len().checked_sub(blocks)?;
        Some(self.powers.iter().skip(start).sum::<f64>() / blocks as f64)
    }
}

fn mean_of(classes: &[(u32, f64)]) -> Option<f64> {
    let count: u64 = classes.iter().map(|(count, _)| u64::from(*count)).sum();
    (count > 0).then(|| classes.iter().map(|(_, sum)| sum).sum::<f64>() / count as f64)
}

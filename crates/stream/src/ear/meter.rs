//! Level and silence of a stream.

use refrain_core::audio::SAMPLE_RATE;

use super::report::EarReport;

/// Samples of a block whose power is measured: a tenth of a second, a few periods of the lowest note.
const BLOCK: usize = SAMPLE_RATE as usize / 10;

/// Mean square below which a block is silence: −60 dBFS, which is below the noise of any room and above that of a codec.
const SILENCE: f64 = 1e-6;

/// Weight of a new block in the level, which gives a time constant of one second.
const SHARE: f64 = 0.1;

/// Lowest level that is reported, dBFS.
const LOWEST: f64 = -120.0;

/// Measures the level and silence of the audio of a stream.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Sum of squares of the block that is not full yet.
    sum: f64,
    count: usize,
    /// Smoothed mean square.
    power: Option<f64>,
}

impl Meter {
    /// Adds samples that are emitted, and updates the report.
    pub(super) fn push(&mut self, mut samples: &[f32], report: &mut EarReport) {
        while !samples.is_empty() {
            let (now, rest) = samples.split_at(samples.len().min(BLOCK - self.count));
            self.sum += f64::from(now.iter().map(|s| s * s).sum::<f32>());
            self.count += now.len();
            samples = rest;
            if self.count == BLOCK {
                self.block(self.sum / BLOCK as f64, report);
            }
        }
    }

    fn block(&mut self, power: f64, report: &mut EarReport) {
        (self.sum, self.count) = (0.0, 0);
        if power < SILENCE {
            report.silence_seconds += BLOCK as f64 / f64::from(SAMPLE_RATE);
        }
        let smoothed = self.power.map_or(power, |before| before + SHARE * (power - before));
        self.power = Some(smoothed);
        report.level = Some((10.0 * smoothed.log10()).max(LOWEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_and_silence_are_reported() {
        let (mut meter, mut report) = (Meter::default(), EarReport::default());
        meter.push(&[0.1; 44_100], &mut report);
        assert!((report.level.unwrap() + 20.0).abs() < 0.01, "{:?}", report.level);
        assert_eq!(report.silence_seconds, 0.0);
        meter.push(&vec![0.0005; 10 * 44_100], &mut report);
        assert!(report.level.unwrap() < -50.0);
        assert!((report.silence_seconds - 10.0).abs() < 1e-9);
    }
}

//! Level and silence of a stream.

use refrain_core::audio::SAMPLE_RATE;

use super::report::DecoderReport;

/// Samples of a block whose power is measured: a tenth of a second, two periods of the lowest note of 20 Hz. At half
/// this value, the measured power of low notes fluctuates; at twice this value, short pauses do not count as silence.
const BLOCK_SAMPLES: usize = SAMPLE_RATE as usize / 10;

/// Mean square below which a block is silence: −60 dBFS, which is below the noise of any room and above that of a
/// codec. At half (−63 dBFS), dithered digital silence of old converters counts as audio; at twice (−57 dBFS), quiet
/// classical music counts as silence.
const SILENCE_POWER: f64 = 1e-6;

/// Weight of a new block in the level, which gives a time constant of one second. At twice this value, the displayed
/// level flickers with the beat; at half this value, it lags a change by two seconds.
const LEVEL_SMOOTHING: f64 = 0.1;

/// Lowest level that is reported, dBFS: below the noise of 16 bits (−98 dBFS). It replaces the infinity of digital
/// silence.
const MIN_LEVEL_DBFS: f64 = -120.0;

/// Measures the level and silence of the audio of a stream.
#[derive(Debug, Default)]
pub(super) struct LevelMeter {
    /// Sum of squares of the block that is not full yet.
    sum: f64,
    count: usize,
    /// Smoothed mean square; `None` before the first full block.
    power: Option<f64>,
}

impl LevelMeter {
    /// Adds samples that are emitted, and updates the report.
    pub(super) fn push(&mut self, mut samples: &[f32], report: &mut DecoderReport) {
        while !samples.is_empty() {
            let (now, rest) = samples.split_at(samples.len().min(BLOCK_SAMPLES - self.count));
            // The sum is kept as `f64`: the rounding errors of `f32` would add up over a long block.
            self.sum += f64::from(now.iter().map(|s| s * s).sum::<f32>());
            self.count += now.len();
            samples = rest;
            if self.count == BLOCK_SAMPLES {
                self.block(self.sum / BLOCK_SAMPLES as f64, report);
            }
        }
    }

    fn block(&mut self, power: f64, report: &mut DecoderReport) {
        (self.sum, self.count) = (0.0, 0);
        if power < SILENCE_POWER {
            let seconds = BLOCK_SAMPLES as f64 / f64::from(SAMPLE_RATE);
            report.silence_seconds += seconds;
            report.silence_run_seconds += seconds;
        } else {
            report.silence_run_seconds = 0.0;
        }
        let smoothed = self.power.map_or(power, |before| before + LEVEL_SMOOTHING * (power - before));
        self.power = Some(smoothed);
        report.level = Some((10.0 * smoothed.log10()).max(MIN_LEVEL_DBFS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_and_silence_are_reported() {
        let (mut meter, mut report) = (LevelMeter::default(), DecoderReport::default());
        meter.push(&[0.1; 44_100], &mut report);
        assert!((report.level.unwrap() + 20.0).abs() < 0.01, "{:?}", report.level);
        assert_eq!(report.silence_seconds, 0.0);
        meter.push(&vec![0.0005; 10 * 44_100], &mut report);
        assert!(report.level.unwrap() < -50.0);
        assert!((report.silence_seconds - 10.0).abs() < 1e-9);
        assert!((report.silence_run_seconds - 10.0).abs() < 1e-9);
        meter.push(&[0.1; 44_100], &mut report);
        assert_eq!(report.silence_run_seconds, 0.0);
    }
}

//! Converts measured blocks to the state of the audio and to alerts.

use serde::{Deserialize, Serialize};

use super::alert::{AlertEvent, AlertKind, AlertReading, OpenAlert};
use super::detector::{AlertState, Change};
use super::loudness::LoudnessMeter;
use super::meter::{BLOCK_SECONDS, HealthBlock};
use super::thresholds::HealthThresholds;
use super::window::{Averages, Window};
use crate::audio::SAMPLE_RATE;

/// Lowest level that is reported, in dB: below the noise of 16 bits (−98 dBFS). It replaces the infinity of digital
/// silence, which JSON cannot represent.
const MIN_LEVEL_DB: f64 = -120.0;

/// Samples at 44.1 kHz in a block.
const BLOCK_SAMPLES: u64 = SAMPLE_RATE as u64 / 10;

/// Number of blocks between two computations of the integrated loudness: a second. It is a sum over the whole
/// histogram, and changes slowly.
const INTEGRATED_BLOCKS: u64 = 10;

/// The state of the audio of a stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthSnapshot {
    /// Seconds of audio that were measured.
    pub measured_seconds: f64,
    /// Loudness of the last 400 ms in LUFS, at least −120; `None` before there is so much audio.
    pub momentary_lufs: Option<f64>,
    /// Loudness of the last 3 s in LUFS, at least −120; `None` before there is so much audio.
    pub short_term_lufs: Option<f64>,
    /// Loudness of all audio in LUFS with the gates of EBU R 128; `None` while there was only silence.
    pub integrated_lufs: Option<f64>,
    /// Highest magnitude of a sample in the last 3 s, in dBFS, at least −120.
    pub peak_dbfs: f64,
    /// Levels (root mean square) of the first two channels in the last 3 s, in dBFS, at least −120; equal for mono.
    pub channel_dbfs: [f64; 2],
    /// Correlation of the first two channels in the last 3 s, −1 to 1; `None` for mono, and if a channel is silent.
    pub correlation: Option<f64>,
    /// DC offset in the last 3 s, as a share of full scale.
    pub dc_offset: f64,
    /// Samples that were cut at full scale in the last second, in all channels.
    pub clipped_per_second: f64,
    /// Samples that were cut at full scale so far, in all channels.
    pub clipped_samples: u64,
    /// Length in seconds of the audio up to now that repeats earlier audio exactly; 0 for none.
    pub repeated_seconds: f64,
    /// Sample rate in hertz and number of channels before resampling and mixing; `None` before there is audio.
    pub format: Option<(u32, u16)>,
    /// Number of changes of the sample rate or of the number of channels.
    pub format_changes: u64,
    /// Number of alerts that started so far, in the order of [`AlertKind::ALL`].
    pub alerts_started: [u64; AlertKind::ALL.len()],
}

/// Analyzes the measured blocks of one stream. Its memory does not grow, and a block allocates memory only if an alert
/// starts or ends.
///
/// # Examples
///
/// ```
/// use refrain_core::audio::LiveDecoder;
/// use refrain_core::audio::health::{AlertKind, HealthAnalyzer, HealthThresholds};
///
/// let (mut decoder, mut analyzer) = (LiveDecoder::new(), HealthAnalyzer::new(HealthThresholds::default()));
/// decoder.measure_health();
/// // 15 seconds of digital silence.
/// decoder.push(&[0.0; 2 * 15 * 48_000], 2, 48_000)?;
/// let (mut blocks, mut events) = (Vec::new(), Vec::new());
/// decoder.take_health(&mut blocks);
/// blocks.iter().for_each(|block| analyzer.push(block, &mut events));
/// assert!(events.len() == 1 && events[0].kind == AlertKind::Silence && events[0].is_start);
/// # Ok::<(), refrain_core::audio::FrameError>(())
/// ```
#[derive(Debug)]
pub struct HealthAnalyzer {
    thresholds: HealthThresholds,
    loudness: LoudnessMeter,
    window: Window,
    alerts: [AlertState; AlertKind::ALL.len()],
    blocks: u64,
    position: u64,
    snapshot: HealthSnapshot,
}

impl HealthAnalyzer {
    /// Creates an analyzer at the start of a stream.
    #[must_use]
    pub fn new(thresholds: HealthThresholds) -> Self {
        Self {
            thresholds,
            loudness: LoudnessMeter::new(),
            window: Window::new(),
            alerts: Default::default(),
            blocks: 0,
            position: 0,
            snapshot: HealthSnapshot::default(),
        }
    }

    /// Continues alerts that an earlier analyzer left open. They get an end event, but no other start event.
    #[must_use]
    pub fn with_open_alerts(mut self, open: impl IntoIterator<Item = (AlertKind, AlertReading)>) -> Self {
        for (kind, reading) in open {
            if let Some(state) = self.alerts.get_mut(kind as usize) {
                *state = AlertState::continued(reading);
            }
        }
        self
    }

    /// Adds a block, and adds the starts and ends of alerts to `events`.
    pub fn push(&mut self, block: &HealthBlock, events: &mut Vec<AlertEvent>) {
        let format = (block.rate, block.channels);
        let is_changed = self.snapshot.format.is_some_and(|known| known != format);
        if is_changed {
            self.window.clear();
            self.snapshot.format_changes += 1;
        }
        let former = self.snapshot.format.replace(format);
        self.loudness.push(block);
        self.window.push(block);
        self.blocks += 1;
        self.position = block.position;
        let averages = self.window.averages(power_of(self.thresholds.silence_dbfs));
        self.update_snapshot(block, &averages);
        for kind in AlertKind::ALL {
            let Some(durations) = self.thresholds.durations(kind) else {
                // An earlier analyzer can have opened an alert that is off now.
                self.end(kind, None, events);
                continue;
            };
            let reading = self.value(kind, block, &averages, is_changed);
            let start = block.position.saturating_sub(BLOCK_SAMPLES);
            let Some(state) = self.alerts.get_mut(kind as usize) else { continue };
            match state.observe(reading.is_fault, start, BLOCK_SECONDS, durations) {
                None => {}
                Some(Change::Start) => {
                    let reading = self.reading(kind, reading.value, former);
                    self.start(kind, reading, events);
                }
                Some(Change::End) => self.end(kind, Some(reading.value), events),
            }
        }
    }

    /// Ends all open alerts, because the stream has ended.
    pub fn finish(&mut self, events: &mut Vec<AlertEvent>) {
        AlertKind::ALL.into_iter().for_each(|kind| self.end(kind, None, events));
    }

    /// Returns the state of the audio.
    #[must_use]
    pub fn snapshot(&self) -> &HealthSnapshot {
        &self.snapshot
    }

    /// Returns the open alerts.
    pub fn open_alerts(&self) -> impl Iterator<Item = OpenAlert> {
        AlertKind::ALL.into_iter().zip(&self.alerts).filter_map(|(kind, state)| {
            let open = state.current()?;
            Some(OpenAlert { kind, since: open.since, reading: open.reading.clone() })
        })
    }

    fn start(&mut self, kind: AlertKind, reading: AlertReading, events: &mut Vec<AlertEvent>) {
        let at = self.position;
        let Some(state) = self.alerts.get_mut(kind as usize) else { return };
        state.open(reading.clone());
        let since = state.current().and_then(|open| open.since);
        if let Some(count) = self.snapshot.alerts_started.get_mut(kind as usize) {
            *count += 1;
        }
        events.push(AlertEvent { kind, is_start: true, since, at, reading });
    }

    /// Ends an alert if it is open. `value` is the last value; `None` keeps that of the start.
    fn end(&mut self, kind: AlertKind, value: Option<f64>, events: &mut Vec<AlertEvent>) {
        let Some(open) = self.alerts.get_mut(kind as usize).and_then(AlertState::close) else { return };
        let value = value.unwrap_or(open.reading.value);
        let reading = AlertReading { value, ..open.reading };
        events.push(AlertEvent { kind, is_start: false, since: open.since, at: self.position, reading });
    }

    fn update_snapshot(&mut self, block: &HealthBlock, averages: &Averages) {
        let snapshot = &mut self.snapshot;
        snapshot.measured_seconds = self.blocks as f64 * BLOCK_SECONDS;
        snapshot.momentary_lufs = self.loudness.momentary().map(at_least);
        snapshot.short_term_lufs = self.loudness.short_term().map(at_least);
        if self.blocks.is_multiple_of(INTEGRATED_BLOCKS) || snapshot.integrated_lufs.is_none() {
            snapshot.integrated_lufs = self.loudness.integrated();
        }
        snapshot.peak_dbfs = level(averages.peak * averages.peak);
        snapshot.channel_dbfs = averages.power.map(level);
        snapshot.correlation = averages.correlation;
        snapshot.dc_offset = averages.dc_offset;
        snapshot.clipped_per_second = averages.clipped_per_second;
        snapshot.clipped_samples += u64::from(block.clipped);
        snapshot.repeated_seconds = f64::from(block.repeated_seconds);
    }

    /// Returns the value of a kind after a block, and if it is a fault.
    fn value(&self, kind: AlertKind, block: &HealthBlock, averages: &Averages, is_changed: bool) -> Value {
        let (thresholds, snapshot) = (&self.thresholds, &self.snapshot);
        let limit = thresholds.of(kind);
        let silence = power_of(thresholds.silence_dbfs);
        let is_silent = f64::from(block.max_power) < silence;
        let is_full = self.window.is_full();
        match kind {
            AlertKind::Silence => Value { value: level(f64::from(block.max_power)), is_fault: is_silent },
            AlertKind::Quiet => {
                let value = snapshot.short_term_lufs.unwrap_or_default();
                Value { value, is_fault: snapshot.short_term_lufs.is_some() && !is_silent && value < limit }
            }
            AlertKind::Loud => {
                let value = snapshot.short_term_lufs.unwrap_or(MIN_LEVEL_DB);
                Value { value, is_fault: value > limit }
            }
            AlertKind::Clipping => {
                let value = averages.clipped_per_second;
                Value { value, is_fault: value > limit }
            }
            AlertKind::DeadChannel => {
                let [left, right] = averages.power;
                let value = level(left.max(right)) - level(left.min(right));
                // If the louder channel is just above silence, the difference says nothing.
                let is_measurable = is_full && block.channels > 1 && left.max(right) > 10.0 * silence;
                Value { value, is_fault: is_measurable && value > limit }
            }
            AlertKind::PhaseInverted => {
                let value = averages.correlation.unwrap_or_default();
                Value { value, is_fault: is_full && value < limit }
            }
            AlertKind::DcOffset => {
                let value = averages.dc_offset;
                Value { value, is_fault: is_full && value.abs() > limit }
            }
            AlertKind::Repetition => {
                let value = f64::from(block.repeated_seconds);
                // After the start, any repetition continues the alert.
                let is_open = self.alerts.get(kind as usize).is_some_and(|state| state.current().is_some());
                Value { value, is_fault: value >= if is_open { f64::MIN_POSITIVE } else { limit } }
            }
            AlertKind::FormatChange => Value { value: snapshot.format_changes as f64, is_fault: is_changed },
        }
    }

    /// Returns the reading of an alert that starts. `former` is the format before the last block.
    fn reading(&self, kind: AlertKind, value: f64, former: Option<(u32, u16)>) -> AlertReading {
        let threshold = self.thresholds.of(kind);
        let seconds = self.thresholds.durations(kind).map_or(0.0, |durations| durations.0);
        let [left, right] = self.snapshot.channel_dbfs;
        let (rate, channels) = self.snapshot.format.unwrap_or_default();
        let reason = match kind {
            AlertKind::Silence => format!("no audio above {threshold} dBFS for {seconds} s"),
            AlertKind::Quiet => format!("short-term loudness below {threshold} LUFS for {seconds} s"),
            AlertKind::Loud => format!("short-term loudness above {threshold} LUFS for {seconds} s"),
            AlertKind::Clipping => {
                format!("more than {threshold} clipped samples per second for {seconds} s")
            }
            AlertKind::DeadChannel => {
                let name = if left < right { "left" } else { "right" };
                format!("the {name} channel is {value:.0} dB below the other for {seconds} s")
            }
            AlertKind::PhaseInverted => {
                format!(
                    "the left and right channels cancel each other (correlation {value:.2}) for {seconds} s"
                )
            }
            AlertKind::DcOffset => format!("DC offset of {:.1} % for {seconds} s", 100.0 * value),
            AlertKind::Repetition => format!("the same audio repeats for {value:.0} s"),
            AlertKind::FormatChange => {
                let (former_rate, former_channels) = former.unwrap_or_default();
                format!(
                    "the audio changed from {former_rate} Hz, {former_channels} channels to {rate} Hz, {channels} \
                     channels"
                )
            }
        };
        AlertReading { value, threshold, reason }
    }
}

/// The value of a kind after a block.
#[derive(Debug, Clone, Copy)]
struct Value {
    value: f64,
    is_fault: bool,
}

fn power_of(dbfs: f64) -> f64 {
    10.0_f64.powf(dbfs / 10.0)
}

/// Returns the level in dBFS of a mean square, at least [`MIN_LEVEL_DB`].
fn level(power: f64) -> f64 {
    at_least(10.0 * power.log10())
}

fn at_least(level: f64) -> f64 {
    level.max(MIN_LEVEL_DB)
}

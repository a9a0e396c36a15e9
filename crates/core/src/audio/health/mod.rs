//! Health of the audio of a stream: loudness, and alerts about silence, clipping, a dead channel and other faults.
//!
//! ```text
//! decoded channels ─► HealthMeter ─► HealthBlock, 10 per second ─► HealthAnalyzer ─┬─► HealthSnapshot
//!                     (in LiveDecoder)                                             └─► AlertEvent
//! ```
//!
//! The meter runs where the channels are still separate, and only sums up. Blocks are small, so they can be sent from
//! the process that decodes to another one, in which the [`HealthAnalyzer`] keeps the state of the alerts.

mod alert;
mod analyzer;
mod biquad;
mod detector;
mod high_pass;
mod lanes;
mod levels;
mod loudness;
mod meter;
mod repetition;
mod shelf;
#[cfg(test)]
mod tests;
mod thresholds;
mod window;

pub use alert::{AlertEvent, AlertKind, AlertReading, OpenAlert};
pub use analyzer::{HealthAnalyzer, HealthSnapshot};
pub use meter::HealthBlock;
pub(super) use meter::HealthMeter;
pub use thresholds::{HealthThresholds, ThresholdError};

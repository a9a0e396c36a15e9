//! The state of a stream, with its reason.
//!
//! ```text
//! source: SourceCondition, media ─┐
//! decoder: audio, no audio ───────┼─► StateMachine ─► StreamPhase and reason, StateReport for each change
//! time, end ──────────────────────┘
//! ```
//!
//! [`StateMachine`] is pure: it has no clock and no side effects. `MonitoredStream` passes the observations of the source
//! and of the decoder to it, publishes the state in the status and logs each report once.

mod budget;
mod decoding;
mod log;
mod machine;
mod observation;
mod phase;
#[cfg(test)]
mod tests;

pub use budget::GiveUpBudget;
pub(crate) use decoding::{AudioSeconds, MediaKind, decoding_of};
pub(crate) use log::log;
pub(crate) use machine::{StateMachine, StateReport};
pub(crate) use observation::{Observation, SourceCondition};
pub use phase::{StreamEnd, StreamPhase};

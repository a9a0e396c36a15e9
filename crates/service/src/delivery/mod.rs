//! Delivery of events to sinks: events are first recorded in the outbox, then delivered until that succeeds or they expire.
//!
//! ```text
//! News ─► Planner ─► messages ─► Journal::record (one transaction with the detection)
//!                                     │ outbox
//!                    Courier: one lane per sink ─► claim ─► deliver ─► delivered │ retry later │ dead
//!                                                        └ S3 · SNS · webhook · folder · standard output
//! ```
//!
//! A message contains everything that its delivery needs, in particular the key of its object, so that each attempt writes
//! the same content to the same place.

mod courier;
mod envelope;
mod janitor;
mod key;
mod lane;
mod pace;
mod plan;
mod sinks;

pub use courier::{Courier, CourierError, Waker};
pub use janitor::Janitor;
pub use key::{DEFAULT_KEY, KeyError, KeyTemplate, LONGEST_KEY};
pub use plan::{News, Planner, SongNow};
pub use sinks::Lines;

//! From what was heard to everybody who wants to know: written down first, then delivered until it succeeds.
//!
//! ```text
//! News ─► Planner ─► messages ─► Journal::record (one transaction with the detection)
//!                                     │ outbox
//!                    Courier: a lane a sink ─► claim ─► deliver ─► delivered │ again later │ dead
//!                                                        └ S3 · SNS · webhook · folder · standard output
//! ```
//!
//! A message holds all that its delivery needs, the key of its object above all, so that each try writes the same to the
//! same place.

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

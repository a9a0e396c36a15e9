//! Messages of queues to what handles them.
//!
//! ```text
//! receivers (long polls) ─► a task a message: Handler, hidden as long as it works ─► done: deleted, in batches
//!                                                                                 ├► not understood: dead letters
//!                                                                                 └► later: hidden so long
//! ```
//!
//! A message is deleted after it was handled and never before: what happens to the process in between, it comes again. So
//! handlers do the same thing twice without harm.

mod consumer;
mod delete;
mod work;

use std::time::Duration;

use async_trait::async_trait;

pub use consumer::Consumer;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    /// It is done, or nothing is to be done: it is deleted.
    Done,
    /// It cannot be understood, and never will, for this reason: it goes to the dead letters.
    Bury(String),
    /// It could not be done now: it comes again after this time.
    Again(Duration),
}

/// Handles messages of a queue.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Does what a message asks for. It may take as long as it has to; the same message may come again, also at the same
    /// time.
    async fn handle(&self, body: &str) -> Handled;
}

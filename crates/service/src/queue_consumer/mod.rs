//! Receives messages from queues and passes them to their handlers.
//!
//! ```text
//! receivers (long polls) ─► one task per message: Handler, hidden while it runs ─┬► done: deleted, in batches
//!                                                                                ├► invalid: dead-letter queue
//!                                                                                └► retry: hidden for a time
//! ```
//!
//! A message is deleted after it was handled and never before. If the process dies in between, the message is received
//! again. So handlers must be able to handle the same message twice without harm.

mod consumer;
mod delete;
mod work;

use std::time::Duration;

use async_trait::async_trait;

pub use consumer::Consumer;

/// Outcome of handling a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// The message was handled, or needs no action. It is deleted.
    Ack,
    /// The message can never be handled, for this reason. It is moved to the dead-letter queue.
    DeadLetter(String),
    /// The message could not be handled now. It becomes visible again after this time.
    Retry(Duration),
}

/// Handles messages of a queue.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles a message. The duration is not limited, because the message stays hidden until the handler returns. The
    /// same message can be received again, even while it is being handled.
    async fn handle(&self, body: &str) -> Disposition;
}

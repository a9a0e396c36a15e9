//! Calls for many messages at once, of which some may fail.

use aws_sdk_sqs::types::BatchResultErrorEntry;
use refrain_service::outside::{OutsideError, OutsideErrorKind as Kind};

use crate::error::kind_of;

/// Most messages that SQS takes in one call.
pub(crate) const MOST: usize = 10;

/// What became of all calls of a batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    failed: usize,
    first: Option<(Kind, String)>,
}

impl Outcome {
    /// Some messages of a call that went through.
    pub(crate) fn some_failed(&mut self, entries: &[BatchResultErrorEntry]) {
        self.failed += entries.len();
        if let Some(entry) = entries.first() {
            // The status that a call for this message alone would have had.
            let status = if entry.sender_fault() { 400 } else { 500 };
            let why = entry.message().map_or_else(String::new, |message| format!(": {message}"));
            self.remember(kind_of(entry.code(), status), format!("{}{why}", entry.code()));
        }
    }

    /// A call that failed as a whole, for so many messages.
    pub(crate) fn all_failed(&mut self, messages: usize, error: &OutsideError) {
        self.failed += messages;
        self.remember(error.kind(), error.to_string());
    }

    fn remember(&mut self, kind: Kind, why: String) {
        self.first.get_or_insert((kind, why));
    }

    /// An error if anything failed: "cannot DO 3 of 25 messages of queue NAME: …".
    pub(crate) fn result(self, action: &str, messages: usize, queue: &str) -> Result<(), OutsideError> {
        let Some((kind, why)) = self.first else { return Ok(()) };
        let what = format!("cannot {action} {} of {messages} messages of queue {queue}", self.failed);
        Err(OutsideError::new(kind, what, why))
    }
}

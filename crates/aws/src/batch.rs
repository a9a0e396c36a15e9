//! Results of SQS batch calls, in which each message can fail separately.

use aws_sdk_sqs::types::BatchResultErrorEntry;
use refrain_service::cloud::{CloudError, CloudErrorKind as Kind};

use crate::error::kind_of;

/// Maximum number of messages in one SQS batch call.
pub(crate) const MAX_BATCH_MESSAGES: usize = 10;

/// Collects the failures of several batch calls: the number of failed messages and the first error.
#[derive(Debug, Default)]
pub(crate) struct BatchOutcome {
    failed: usize,
    first: Option<(Kind, String)>,
}

impl BatchOutcome {
    /// Records the failed messages of a call that succeeded as a whole.
    pub(crate) fn some_failed(&mut self, entries: &[BatchResultErrorEntry]) {
        self.failed += entries.len();
        if let Some(entry) = entries.first() {
            // The HTTP status that a call for this message alone would have returned.
            let status = if entry.sender_fault() { 400 } else { 500 };
            let why = entry.message().map_or_else(String::new, |message| format!(": {message}"));
            self.remember(kind_of(entry.code(), status), format!("{}{why}", entry.code()));
        }
    }

    /// Records a call that failed as a whole. `messages` is the number of messages in the call.
    pub(crate) fn all_failed(&mut self, messages: usize, error: &CloudError) {
        self.failed += messages;
        self.remember(error.kind(), error.to_string());
    }

    fn remember(&mut self, kind: Kind, why: String) {
        self.first.get_or_insert((kind, why));
    }

    /// Returns an error if any message failed: "cannot ACTION 3 of 25 messages of queue NAME: …", with the kind and the
    /// text of the first failure.
    pub(crate) fn result(self, action: &str, messages: usize, queue: &str) -> Result<(), CloudError> {
        let Some((kind, why)) = self.first else { return Ok(()) };
        let what = format!("cannot {action} {} of {messages} messages of queue {queue}", self.failed);
        Err(CloudError::new(kind, what, why))
    }
}

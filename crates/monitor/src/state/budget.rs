//! The time after which a stream is given up.

use std::time::Duration;

/// The time after which a stream that makes no progress ends. Each stream has one budget, which applies to all its
/// requests and to its decoder. Pipes and files have none, because their writer ends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiveUpBudget {
    /// Maximum time from the start of the stream to its first decoded audio. Received media that waits to be decoded
    /// extends it.
    pub before_audio: Duration,
    /// Maximum time without received media after the first decoded audio, while requests fail or the source delivers
    /// nothing.
    pub after_audio: Duration,
}

impl Default for GiveUpBudget {
    fn default() -> Self {
        Self {
            // A wrong address must end within a minute, and encoders that start with the stream deliver their first
            // segment within half a minute. At half this value, such encoders end streams; at twice this value, a wrong
            // address is reported after a minute and a half.
            before_audio: Duration::from_secs(45),
            // Restarts of servers and encoders last a few minutes. At half this value, they end streams; at twice this
            // value, a dead source is requested twice as long.
            after_audio: refrain_stream::GIVE_UP_AFTER,
        }
    }
}

//! Simulated faults: their kinds, the paths that they apply to, and the number of requests.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A simulated fault, which replaces or changes the response to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Responds with this status and an empty body.
    Status(u16),
    /// Responds with this status, an empty body, and this value of the header `Retry-After`.
    RetryAfter(u16, &'static str),
    /// Responds with 200 and a page of HTML.
    Html,
    /// Responds with 200 and a playlist of this many bytes, filled with comments.
    Huge(usize),
    /// Responds with 200 and a body that does not end.
    Endless,
    /// Sends the right body, one byte at a time, with this pause between bytes.
    Trickle(Duration),
    /// Sends the right length in the header, but only this many bytes of the body, and then closes the connection.
    Truncated(usize),
    /// Responds with 200 and an empty body.
    Empty,
    /// Responds with 302, a redirect to this URL.
    Redirect(String),
    /// Resets the connection without a response.
    Reset,
    /// Sends the right body with this content type.
    WrongType(&'static str),
    /// Sends the right response after this delay.
    Late(Duration),
    /// Sends the whole resource with status 200, even if a range was requested.
    IgnoreRange,
    /// Responds with 200, these bytes, and this value of the header `Content-Encoding`.
    Encoded(&'static str, bytes::Bytes),
    /// Responds with 200 and this body instead of the right one.
    Instead(bytes::Bytes),
}

/// Number of requests to which a fault applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// The next requests, up to this number.
    First(usize),
    /// All requests until the fault is removed.
    Always,
}

/// Faults by path. If several match, the oldest one with remaining requests applies.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<FaultRule>>);

#[derive(Debug)]
struct FaultRule {
    pattern: String,
    fault: Fault,
    times: Times,
}

impl Faults {
    pub(super) fn add(&self, pattern: &str, fault: Fault, times: Times) {
        self.rules().push(FaultRule { pattern: pattern.to_owned(), fault, times });
    }

    pub(super) fn heal(&self, pattern: &str) {
        self.rules().retain(|rule| rule.pattern != pattern);
    }

    /// Returns the fault for a request of `path`, and decrements the number of requests that remain for the fault.
    /// Returns `None` if no fault matches.
    pub(super) fn take(&self, path: &str) -> Option<Fault> {
        let mut rules = self.rules();
        let at = rules.iter().position(|rule| matches(&rule.pattern, path))?;
        let rule = rules.get_mut(at)?;
        let fault = rule.fault.clone();
        if let Times::First(left) = &mut rule.times {
            *left = left.saturating_sub(1);
            if *left == 0 {
                rules.remove(at);
            }
        }
        Some(fault)
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<FaultRule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns true if the path matches the pattern: a path in which one `*` matches any text.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        Some((head, tail)) => {
            path.len() >= head.len() + tail.len() && path.starts_with(head) && path.ends_with(tail)
        }
        None => path == pattern,
    }
}

//! Faults: their kind, paths and number.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A simulated fault, which replaces or changes the response to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// A status and a short text.
    Status(u16),
    /// A status with this value of the header `Retry-After`.
    RetryAfter(u16, &'static str),
    /// 200 with a page of HTML.
    Html,
    /// 200 with a playlist of this many bytes, filled with comments.
    Huge(usize),
    /// 200 with a body that does not end.
    Endless,
    /// The right body, one byte at a time, with this pause between bytes.
    Trickle(Duration),
    /// The right length in the header, but only this many bytes of the body; then the connection is closed.
    Truncated(usize),
    /// 200 with an empty body.
    Empty,
    /// A redirect to this URL.
    Redirect(String),
    /// The connection is reset.
    Reset,
    /// The right body with this content type.
    WrongType(&'static str),
    /// The right response after this delay.
    Late(Duration),
    /// The whole resource with status 200, even if a range was requested.
    IgnoreRange,
    /// 200 with these bytes and `Content-Encoding: gzip`.
    Compressed(bytes::Bytes),
    /// This body instead of the right one.
    Instead(bytes::Bytes),
}

/// Number of requests with a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// The first requests, up to this number.
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

    /// Returns the fault for a request of `path`, if any, and decrements its remaining number.
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
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        Some((head, tail)) => {
            path.len() >= head.len() + tail.len() && path.starts_with(head) && path.ends_with(tail)
        }
        None => path == pattern,
    }
}

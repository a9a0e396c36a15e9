//! What goes wrong, where and how often.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a request gets in place of what it asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// A status and a short text.
    Status(u16),
    /// A status with this value of the header `Retry-After`.
    RetryAfter(u16, &'static str),
    /// 200 with a page of HTML.
    Html,
    /// 200 with so many bytes that look like a playlist's comments.
    Huge(usize),
    /// 200 with a body that does not end.
    Endless,
    /// The right body, a byte at a time, with this pause.
    Trickle(Duration),
    /// The right length in the header, but only so many bytes of the body; then the connection is closed.
    Truncated(usize),
    /// 200 with no bytes.
    Empty,
    /// A redirect to this URL.
    Redirect(String),
    /// The connection is reset.
    Reset,
    /// The right body under another content type.
    WrongType(&'static str),
    /// The right answer, so much later.
    Late(Duration),
    /// The whole resource with status 200 though a range was asked for.
    IgnoreRange,
    /// 200 with these bytes under `Content-Encoding: gzip`.
    Compressed(bytes::Bytes),
    /// The body of another resource in place of the right one.
    Instead(bytes::Bytes),
}

/// How often a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// So many times.
    First(usize),
    /// Until it is healed.
    Always,
}

/// Faults by path. The oldest that is not used up comes first.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Rule>>);

#[derive(Debug)]
struct Rule {
    pattern: String,
    fault: Fault,
    times: Times,
}

impl Faults {
    pub(super) fn add(&self, pattern: &str, fault: Fault, times: Times) {
        self.rules().push(Rule { pattern: pattern.to_owned(), fault, times });
    }

    pub(super) fn heal(&self, pattern: &str) {
        self.rules().retain(|rule| rule.pattern != pattern);
    }

    /// The fault for a request of `path`, which uses it up by one.
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

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pattern is a path; one `*` stands for anything.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        Some((head, tail)) => {
            path.len() >= head.len() + tail.len() && path.starts_with(head) && path.ends_with(tail)
        }
        None => path == pattern,
    }
}

//! The state of a connection, and the limits that apply to it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::TimeLimits;

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionPhase {
    /// No byte of the next request arrived.
    Idle,
    /// A part of the head of a request arrived.
    Head,
    /// The head of a request is complete; its response is being made.
    Request,
}

/// The state of a connection, which its TCP stream, its request handler and the server share.
#[derive(Debug)]
pub(super) struct Activity(Mutex<ConnectionState>);

#[derive(Debug, Clone, Copy)]
struct ConnectionState {
    phase: ConnectionPhase,
    /// Start of the current phase.
    since: Instant,
    /// Start of the connection.
    opened: Instant,
    /// Number of requests that were answered.
    responses: u64,
    /// Time since when the client has accepted no byte of a response; `None` if no write is blocked.
    blocked: Option<Instant>,
}

/// Decision of the server about a connection after a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Keep the connection, and check it again at this time at the latest.
    Keep(Instant),
    /// Close the connection after the current response, and check it again at this time at the latest.
    Finish(Instant),
    /// Close the connection now, for this reason.
    Close(&'static str),
}

impl Activity {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Mutex::new(ConnectionState {
            phase: ConnectionPhase::Idle,
            since: now,
            opened: now,
            responses: 0,
            blocked: None,
        }))
    }

    /// Records that bytes arrived from the client.
    pub(super) fn received(&self) {
        self.change(|state| {
            // Only the first byte starts the time of a head. Later bytes must not extend it, or a client could send one
            // byte per second.
            if state.phase == ConnectionPhase::Idle {
                state.enter(ConnectionPhase::Head);
            }
        });
    }

    /// Records that the head of a request is complete.
    pub(super) fn request_started(&self) {
        self.change(|state| state.enter(ConnectionPhase::Request));
    }

    /// Records that the handler of a request has returned its response. The response may not be written yet.
    pub(super) fn request_finished(&self) {
        self.change(|state| {
            state.responses += 1;
            state.enter(ConnectionPhase::Idle);
        });
    }

    /// Records that the client accepts no more bytes now (`true`), or accepted some (`false`).
    pub(super) fn write_blocked(&self, blocked: bool) {
        self.change(|state| match blocked {
            true => drop(state.blocked.get_or_insert_with(Instant::now)),
            false => state.blocked = None,
        });
    }

    /// Returns the time since when the connection has been waiting for a complete request head; `None` while a request
    /// is being handled or a write is blocked.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.phase != ConnectionPhase::Request && state.blocked.is_none()).then_some(state.since)
    }

    /// Returns the decision about the connection at the time `now`, by the limits `limits`.
    pub(super) fn verdict(&self, limits: &TimeLimits, now: Instant) -> Verdict {
        let state = self.state();
        // The age is checked first, so its reason is logged if several limits are exceeded.
        let mut checks = vec![(state.opened + limits.age + limits.close, "connection older than its limit")];
        // Before its first request, a connection has the short limit of a head and not the idle limit.
        match state.phase {
            ConnectionPhase::Idle if state.responses > 0 => {
                checks.push((state.since + limits.idle, "no request"));
            }
            ConnectionPhase::Idle | ConnectionPhase::Head => {
                checks.push((state.since + limits.head, "request head incomplete"));
            }
            ConnectionPhase::Request => {}
        }
        if let Some(since) = state.blocked {
            checks.push((since + limits.write, "response not read by the client"));
        }
        if let Some((_, why)) = checks.iter().find(|(at, _)| *at <= now) {
            return Verdict::Close(why);
        }
        // All these times are in the future: a limit in the past has closed the connection above.
        let next = checks.iter().map(|(at, _)| *at).min().unwrap_or(now + CHECK_EVERY).min(now + CHECK_EVERY);
        if state.opened + limits.age <= now { Verdict::Finish(next) } else { Verdict::Keep(next) }
    }

    fn state(&self) -> ConnectionState {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut ConnectionState)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Longest time between two checks of a connection. A phase that begins after a check can have an earlier limit than
/// those that the check considered.
const CHECK_EVERY: Duration = Duration::from_secs(1);

impl ConnectionState {
    fn enter(&mut self, phase: ConnectionPhase) {
        (self.phase, self.since) = (phase, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(activity: &Activity, seconds: u64) -> Verdict {
        activity.verdict(&TimeLimits::default(), Instant::now() + Duration::from_secs(seconds))
    }

    fn is_closed(verdict: Verdict) -> bool {
        matches!(verdict, Verdict::Close(_))
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_limit() {
        let limits = TimeLimits::default();
        let activity = Activity::new();
        assert!(!is_closed(after(&activity, limits.head.as_secs() - 1)));
        assert!(is_closed(after(&activity, limits.head.as_secs())));
        activity.received();
        assert!(is_closed(after(&activity, limits.head.as_secs())));
        activity.request_started();
        assert!(!is_closed(after(&activity, limits.idle.as_secs())));
        activity.write_blocked(true);
        assert!(is_closed(after(&activity, limits.write.as_secs())));
        activity.write_blocked(false);
        activity.request_finished();
        assert!(!is_closed(after(&activity, limits.idle.as_secs() - 1)));
        assert!(is_closed(after(&activity, limits.idle.as_secs())));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_do_not_prolong_a_head() {
        let limits = TimeLimits::default();
        let activity = Activity::new();
        activity.received();
        tokio::time::advance(limits.head / 2).await;
        activity.received();
        assert!(is_closed(after(&activity, limits.head.as_secs() / 2)));
    }

    #[tokio::test(start_paused = true)]
    async fn old_connection_finishes_its_response_then_closes() {
        let limits = TimeLimits::default();
        let activity = Activity::new();
        activity.request_started();
        assert!(matches!(after(&activity, limits.age.as_secs()), Verdict::Finish(_)));
        assert!(is_closed(after(&activity, (limits.age + limits.close).as_secs())));
    }
}

//! Stateful decoders in children: a stream's decoder keeps its state between calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::child::Child;
use crate::supervisor::{self, lock};
use crate::worker::{ChildReply, ChildRequest};

/// A child that several sessions share.
#[derive(Debug, Default)]
pub(crate) struct SharedChild {
    state: Mutex<SharedChildState>,
    /// Sessions that ended while the child was working.
    closed: Mutex<Vec<u64>>,
}

#[derive(Debug, Default)]
struct SharedChildState {
    child: Option<Child>,
    /// Number of children started so far, including the current one.
    generation: u64,
}

impl SharedChild {
    /// Ends the child.
    pub(crate) fn end(&self) {
        lock(&self.state).child = None;
    }
}

/// Error of [`DecoderSession::call`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The child died during this call, probably because of its input. Contains the reason.
    #[error("{0}")]
    Died(String),
    /// No child could be started.
    #[error("cannot start a process for decoding: {0}")]
    Spawn(String),
}

/// A session of the handler in a child: one stream's decoder.
#[derive(Debug)]
pub struct DecoderSession {
    shared_child: Arc<SharedChild>,
    id: u64,
    /// Generation of the child in which this session is open; 0 if it is not open.
    generation: u64,
}

impl DecoderSession {
    /// Creates a session, which the first call opens in a child. Returns `None` if this process does not decode in
    /// children.
    #[must_use]
    pub fn new() -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let shared_child = supervisor::get()?.shared_child()?;
        Some(Self { shared_child, id: NEXT.fetch_add(1, Ordering::Relaxed), generation: 0 })
    }

    /// Sends a request to the session and waits for its result. If the session is not open in the child, because the
    /// session is new or because an earlier child died, first sends the request that `open` returns.
    ///
    /// # Errors
    /// Returns [`SessionError`] if the child cannot be started or dies. The next call starts another child.
    pub fn call(
        &mut self,
        request: Vec<u8>,
        open: impl FnOnce() -> Vec<u8>,
    ) -> Result<Vec<u8>, SessionError> {
        // The lock is held during the whole call: the child answers one request at a time, and replies do not name
        // their session.
        let mut state = lock(&self.shared_child.state);
        let generation = state.start()?;
        if generation != self.generation {
            // `generation` is set after the call, so that a session whose opening failed is opened again by the next
            // call.
            state.call(self.id, open())?;
            self.generation = generation;
        }
        // Ended sessions are closed here, because this call holds the child anyway.
        let closed = std::mem::take(&mut *lock(&self.shared_child.closed));
        if !closed.is_empty() {
            state.close(closed);
        }
        state.call(self.id, request)
    }
}

impl Drop for DecoderSession {
    fn drop(&mut self) {
        // The child may be busy with another session, so that the next call closes this one.
        lock(&self.shared_child.closed).push(self.id);
    }
}

impl SharedChildState {
    /// Starts a child if no child is running, and returns its generation.
    fn start(&mut self) -> Result<u64, SessionError> {
        // A child can also be killed from outside between two calls, for example by the system when memory is short.
        if !self.child.as_mut().is_some_and(Child::is_alive) {
            let supervisor =
                supervisor::get().ok_or_else(|| SessionError::Spawn("not enabled".to_owned()))?;
            let child = supervisor.spawn().map_err(|error| SessionError::Spawn(error.to_string()))?;
            self.child = Some(child);
            self.generation += 1;
        }
        Ok(self.generation)
    }

    fn call(&mut self, session: u64, body: Vec<u8>) -> Result<Vec<u8>, SessionError> {
        let done = self.child.as_mut().ok_or_else(|| "it ended".to_owned()).and_then(|child| {
            child.send(&ChildRequest::DecoderSession { session, body })?;
            child.receive()
        });
        match done {
            Ok(ChildReply::DecoderSession(body)) => Ok(body),
            Ok(_) => Err(self.died("its decoder sent another message than expected".to_owned())),
            Err(reason) => Err(self.died(reason)),
        }
    }

    fn close(&mut self, sessions: Vec<u64>) {
        let sent = self.child.as_mut().map(|child| child.send(&ChildRequest::CloseSessions(sessions)));
        // The sessions to close are gone with the child. The request that follows reports that no child is running.
        if let Some(Err(_)) = sent {
            self.child = None;
        }
    }

    fn died(&mut self, reason: String) -> SessionError {
        self.child = None;
        SessionError::Died(reason)
    }
}

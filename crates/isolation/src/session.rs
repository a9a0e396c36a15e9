//! Decoders of streams in child processes. Such a decoder keeps its state between calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::child::Child;
use crate::lock::lock;
use crate::shared_child::{SessionError, SharedChild};
use crate::supervisor;

/// A session: the decoder of one stream, which runs in a child process. The [`SessionHandler`](crate::SessionHandler)
/// of the child keeps its state. Dropping the value closes the session.
#[derive(Debug)]
pub struct DecoderSession {
    shared_child: Arc<SharedChild>,
    id: u64,
    /// Generation (number of processes started for `shared_child`) of the child in which this session is open; 0 before
    /// it was opened.
    generation: u64,
}

impl DecoderSession {
    /// Creates a session. The first [`DecoderSession::call`] opens it in a child. Returns `None` if this process does
    /// not decode in children; see [`is_enabled`](crate::is_enabled).
    ///
    /// # Examples
    ///
    /// ```
    /// use refrain_isolation::{DecoderSession, is_enabled};
    ///
    /// // Without `enable` there are no children: the caller decodes in its own process.
    /// assert!(!is_enabled());
    /// assert!(DecoderSession::new().is_none());
    /// ```
    #[must_use]
    pub fn new() -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let shared_child = supervisor::get()?.shared_child()?;
        Some(Self { shared_child, id: NEXT.fetch_add(1, Ordering::Relaxed), generation: 0 })
    }

    /// Sends a request to the session and waits for the result. The session may not be open in the child, because it is
    /// new or because an earlier child died. Then the request that `open` returns is sent first, and its result is
    /// dropped.
    ///
    /// # Errors
    /// Returns [`SessionError`] if the child cannot be started or dies. The next call then starts another child.
    pub fn call(
        &mut self,
        request: Vec<u8>,
        open: impl FnOnce() -> Vec<u8>,
    ) -> Result<Vec<u8>, SessionError> {
        // The lock is held during the whole call, because the child handles one request at a time and its replies do
        // not contain the id of the session.
        let mut state = lock(&self.shared_child.state);
        let generation = state.start(spawn)?;
        if generation != self.generation {
            // `generation` is set after the session was opened. So if opening fails, the next call opens the session
            // again.
            state.call(self.id, open())?;
            self.generation = generation;
        }
        // Ended sessions are closed here, because this call has locked the child anyway.
        let closed = std::mem::take(&mut *lock(&self.shared_child.closed));
        if !closed.is_empty() {
            state.close(closed);
        }
        state.call(self.id, request)
    }
}

impl Drop for DecoderSession {
    fn drop(&mut self) {
        // The child may be busy with another session. So the next call of any session in this child closes this
        // session.
        lock(&self.shared_child.closed).push(self.id);
    }
}

/// Starts a child process.
fn spawn() -> Result<Child, SessionError> {
    let supervisor = supervisor::get().ok_or_else(|| SessionError::Spawn("not enabled".to_owned()))?;
    supervisor.spawn().map_err(|error| SessionError::Spawn(error.to_string()))
}

//! Stateful decoders in children: a stream's decoder keeps its state between calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::child::Child;
use crate::lock::lock;
use crate::shared_child::{SessionError, SharedChild};
use crate::supervisor;

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
        let generation = state.start(spawn)?;
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

/// Starts a child.
fn spawn() -> Result<Child, SessionError> {
    let supervisor = supervisor::get().ok_or_else(|| SessionError::Spawn("not enabled".to_owned()))?;
    supervisor.spawn().map_err(|error| SessionError::Spawn(error.to_string()))
}

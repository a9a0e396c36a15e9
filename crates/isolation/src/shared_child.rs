//! Child processes that several sessions share.

use std::sync::Mutex;

use crate::child::Child;
use crate::lock::lock;
use crate::protocol::{ChildReply, ChildRequest};

/// A child process that several sessions share.
#[derive(Debug, Default)]
pub(crate) struct SharedChild {
    pub(crate) state: Mutex<SharedChildState>,
    /// Ids of ended sessions, which the next call closes in the child.
    pub(crate) closed: Mutex<Vec<u64>>,
}

/// The state of a [`SharedChild`]: its current process. A thread locks it for the whole duration of a call.
#[derive(Debug, Default)]
pub(crate) struct SharedChildState {
    child: Option<Child>,
    /// Number of processes started so far, including the current one; 0 before the first.
    generation: u64,
}

impl SharedChild {
    /// Ends the child process. The next call starts another one.
    pub(crate) fn end(&self) {
        lock(&self.state).child = None;
    }
}

/// Error of [`DecoderSession::call`](crate::DecoderSession::call).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The child died during this call, probably because of the input of the call. Contains the reason.
    #[error("the decoder process died: {0}")]
    Died(String),
    /// No child process could be started. Contains the reason.
    #[error("cannot start a process for decoding: {0}")]
    Spawn(String),
}

impl SharedChildState {
    /// Starts a child with `spawn` if no child is running. Returns the generation of the running child.
    pub(crate) fn start(
        &mut self,
        spawn: impl FnOnce() -> Result<Child, SessionError>,
    ) -> Result<u64, SessionError> {
        // Between two calls, the system can have killed the child, for example because memory was short.
        if !self.child.as_mut().is_some_and(Child::is_alive) {
            self.child = Some(spawn()?);
            self.generation += 1;
        }
        Ok(self.generation)
    }

    /// Sends the request `body` to the session with id `session` of the child, and waits for the result. Returns
    /// [`SessionError::Died`] if no child is running or the child dies.
    pub(crate) fn call(&mut self, session: u64, body: Vec<u8>) -> Result<Vec<u8>, SessionError> {
        let done = self.child.as_mut().ok_or_else(|| "it had ended before the request".to_owned()).and_then(
            |child| {
                child.send(&ChildRequest::DecoderSession { session, body })?;
                child.receive()
            },
        );
        match done {
            Ok(ChildReply::DecoderSession(body)) => Ok(body),
            Ok(_) => Err(self.died("its decoder sent another message than expected".to_owned())),
            Err(reason) => Err(self.died(reason)),
        }
    }

    /// Closes the sessions with these ids in the child. Does nothing if no child is running.
    pub(crate) fn close(&mut self, sessions: Vec<u64>) {
        let sent = self.child.as_mut().map(|child| child.send(&ChildRequest::CloseSessions(sessions)));
        // If the child is dead, its sessions are closed too. The request that follows returns the error.
        if let Some(Err(_)) = sent {
            self.child = None;
        }
    }

    fn died(&mut self, reason: String) -> SessionError {
        self.child = None;
        SessionError::Died(reason)
    }
}

//! A child that several sessions share.

use std::sync::Mutex;

use crate::child::Child;
use crate::lock::lock;
use crate::protocol::{ChildReply, ChildRequest};

/// A child that several sessions share.
#[derive(Debug, Default)]
pub(crate) struct SharedChild {
    pub(crate) state: Mutex<SharedChildState>,
    /// Sessions that ended while the child was working.
    pub(crate) closed: Mutex<Vec<u64>>,
}

/// The child of a [`SharedChild`].
#[derive(Debug, Default)]
pub(crate) struct SharedChildState {
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

/// Error of [`DecoderSession::call`](crate::DecoderSession::call).
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

impl SharedChildState {
    /// Starts a child with `spawn` if no child is running, and returns its generation.
    pub(crate) fn start(
        &mut self,
        spawn: impl FnOnce() -> Result<Child, SessionError>,
    ) -> Result<u64, SessionError> {
        // A child can also be killed from outside between two calls, for example by the system when memory is short.
        if !self.child.as_mut().is_some_and(Child::is_alive) {
            self.child = Some(spawn()?);
            self.generation += 1;
        }
        Ok(self.generation)
    }

    /// Sends a request to a session of the child and returns its result.
    pub(crate) fn call(&mut self, session: u64, body: Vec<u8>) -> Result<Vec<u8>, SessionError> {
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

    /// Closes sessions of the child.
    pub(crate) fn close(&mut self, sessions: Vec<u64>) {
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

//! The main loop of a child process.

use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use crate::audio::serve_input;
use crate::limits;
use crate::lock::lock;
use crate::parent_channel::ParentChannel;
use crate::protocol::{ChildReply, ChildRequest};

/// Decodes streams in a child. Each stream is a session, whose state the handler keeps between two requests.
pub trait SessionHandler {
    /// Handles a request of a session and returns the result. `session` is the id of the session. The first request
    /// with an id opens the session.
    fn handle(&mut self, session: u64, request: &[u8]) -> Vec<u8>;

    /// Drops the state of a session. The id can be unknown, if the session was never opened in this child.
    fn close(&mut self, session: u64);
}

/// Decodes for the parent process until the parent closes standard input. `sessions` decodes the streams. The result is
/// the exit code for `main`.
///
/// # Examples
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use refrain_isolation::{CHILD_ARGUMENT, SessionHandler, enable, run_child};
///
/// /// A handler without decoders of streams: this child only decodes files.
/// struct FilesOnly;
///
/// impl SessionHandler for FilesOnly {
///     fn handle(&mut self, _session: u64, _request: &[u8]) -> Vec<u8> {
///         Vec::new()
///     }
///
///     fn close(&mut self, _session: u64) {}
/// }
///
/// fn main() -> ExitCode {
///     if std::env::args().nth(1).as_deref() == Some(CHILD_ARGUMENT) {
///         return run_child(FilesOnly);
///     }
///     if enable().is_err() {
///         return ExitCode::FAILURE;
///     }
///     // From here on, `open_path` and the other functions decode in children.
///     ExitCode::SUCCESS
/// }
/// ```
#[must_use]
pub fn run_child(mut sessions: impl SessionHandler) -> ExitCode {
    limits::apply();
    // Panics of decoders are caught, and the lost audio is counted. Their messages would fill the pipe of standard
    // error, which the parent reads only after the child has died.
    std::panic::set_hook(Box::new(|_| ()));
    let served =
        ParentChannel::open().and_then(|channel| serve(&Arc::new(Mutex::new(channel)), &mut sessions));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(channel: &Arc<Mutex<ParentChannel>>, sessions: &mut impl SessionHandler) -> io::Result<()> {
    loop {
        // The lock is released before the request is handled, because the source of an input locks the channel to
        // request bytes.
        let request = lock(channel).receive::<ChildRequest>()?;
        // Each request has the full processor time. Otherwise a long-lived child would be killed for the processor time
        // of earlier inputs.
        limits::extend_cpu_limit();
        match request {
            None => return Ok(()),
            Some(ChildRequest::Open(open)) => serve_input(channel, &open)?,
            Some(ChildRequest::DecoderSession { session, body }) => {
                let body = sessions.handle(session, &body);
                lock(channel).send(&ChildReply::DecoderSession(body))?;
            }
            Some(ChildRequest::CloseSessions(closed)) => closed.into_iter().for_each(|id| sessions.close(id)),
            // A late message for an input that is already closed has no effect.
            Some(_) => {}
        }
    }
}

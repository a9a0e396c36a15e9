//! The program of a child process.

use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use crate::audio::serve_input;
use crate::limits;
use crate::lock::lock;
use crate::parent_channel::ParentChannel;
use crate::protocol::{ChildReply, ChildRequest};

/// Runs the decoders of streams in a child. A session keeps its state between two requests.
pub trait SessionHandler {
    /// Handles a request of a session. The first request of a session opens it.
    fn handle(&mut self, session: u64, request: &[u8]) -> Vec<u8>;

    /// Drops the state of a session.
    fn close(&mut self, session: u64);
}

/// Decodes for the parent process until it closes standard input.
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
    // Decoders catch their panics and count the lost audio. Panic messages would fill the pipe of standard error, which
    // the parent reads only after the child died.
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
        // The lock is released before the request is handled: the source of an input takes it again to request bytes.
        let request = lock(channel).receive::<ChildRequest>()?;
        // Each request starts with the full time, so that an idle or long-lived child is not killed for the time of
        // earlier inputs.
        limits::extend_cpu_limit();
        match request {
            None => return Ok(()),
            Some(ChildRequest::Open(open)) => serve_input(channel, &open)?,
            Some(ChildRequest::DecoderSession { session, body }) => {
                let body = sessions.handle(session, &body);
                lock(channel).send(&ChildReply::DecoderSession(body))?;
            }
            Some(ChildRequest::CloseSessions(closed)) => closed.into_iter().for_each(|id| sessions.close(id)),
            // A late message for an input that is already closed.
            Some(_) => {}
        }
    }
}

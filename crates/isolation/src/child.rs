//! A child process, as used by the parent.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::{MAX_MEMORY_BYTES, MAX_STALL_SECONDS};
use crate::protocol::CHILD_ARGUMENT;
use crate::wire::MessageCodec;

/// Maximum number of bytes that are read from the standard error of a dead child, to find the reason of its death. The
/// messages of the runtime about memory and stack take less than 200 bytes.
const MAX_REASON_BYTES: u64 = 16 << 10;

/// Maximum number of bytes that one system call reads from a child: the capacity of a pipe in Linux.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// A child process that decodes. Dropping the value kills the process.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    /// Standard input of the child. `None` after the parent has closed it to end the child.
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    codec: MessageCodec,
    /// Number of inputs that the child has finished.
    pub(crate) inputs: u32,
}

impl Child {
    /// Starts `program` as a child process.
    pub(crate) fn spawn(program: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg(CHILD_ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A separate process group protects the child from Ctrl-C in a terminal. The parent ends its children itself,
        // after it has processed buffered audio.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn()?;
        let (to, from) = (process.stdin.take(), process.stdout.take());
        let from = from.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            process,
            to,
            from: BufReader::with_capacity(READ_BUFFER_BYTES, from),
            codec: MessageCodec::default(),
            inputs: 0,
        })
    }

    /// Returns true if the child process is still running.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Sends a message to the child.
    ///
    /// # Errors
    /// The reason why the child died, as text for users.
    pub(crate) fn send(&mut self, message: &impl Serialize) -> Result<(), String> {
        // After a failure, standard input is closed, so every later message fails too.
        let to = self.to.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe));
        let sent = to.and_then(|to| self.codec.send(to, message));
        sent.map_err(|error| self.failure_reason(&error))
    }

    /// Waits for the next message of the child.
    ///
    /// # Errors
    /// The reason why the child died, as text for users.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        match self.codec.receive(&mut self.from) {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.failure_reason(&io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(self.failure_reason(&error)),
        }
    }

    /// Ends the child after the communication failed with `error`, and returns the reason as text for users.
    fn failure_reason(&mut self, error: &io::Error) -> String {
        // A child that waits for a message ends when its standard input is closed.
        self.to = None;
        // A child that has sent an invalid message is still running and must be killed.
        _ = self.process.kill();
        let mut text = Vec::new();
        // The child is dead, so the read ends. Its text is needed, because the exit status does not distinguish stack
        // overflows from failed allocations: both abort.
        if let Some(stderr) = self.process.stderr.take() {
            _ = stderr.take(MAX_REASON_BYTES).read_to_end(&mut text);
        }
        let text = String::from_utf8_lossy(&text);
        let status = self.process.wait().ok();
        reason(&text, status).unwrap_or_else(|| format!("its decoder failed ({error})"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A child exits at the end of its standard input, but only after its current decoding. So it is killed.
        self.to = None;
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Returns the reason why a child died, from its standard error and its exit status: the limit that it exceeded, the
/// signal that killed it, or its exit status. Returns `None` if it exited successfully or its status is unknown.
fn reason(stderr: &str, status: Option<ExitStatus>) -> Option<String> {
    // Memory and stack are checked before the signal, because both end the child with the same signal, SIGABRT.
    if stderr.contains("memory allocation of") {
        return Some(format!("decoding it takes more than {} MiB of memory", MAX_MEMORY_BYTES >> 20));
    }
    if stderr.contains("overflowed its stack") {
        return Some("its structure is nested too deeply".to_owned());
    }
    #[cfg(unix)]
    if let Some(signal) = status.as_ref().and_then(std::os::unix::process::ExitStatusExt::signal) {
        return Some(match rustix::process::Signal::from_named_raw(signal) {
            Some(rustix::process::Signal::XCPU) => {
                format!("decoding it made no progress in {MAX_STALL_SECONDS} s of processor time")
            }
            _ => format!("its decoder crashed (signal {signal})"),
        });
    }
    status.filter(|status| !status.success()).map(|status| format!("its decoder failed ({status})"))
}

//! The parent's side of a child process.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::{MAX_MEMORY_BYTES, MAX_STALL_SECONDS};
use crate::protocol::CHILD_ARGUMENT;
use crate::wire::MessageCodec;

/// Bytes of a child's standard error that are read for the reason of its death. The messages of the runtime about
/// memory and stack take less than 200 bytes. At half or twice of it nothing changes for them; the limit only bounds
/// the memory for a child that writes without end.
const MAX_REASON_BYTES: u64 = 16 << 10;

/// Bytes that are read from a child at once. It is the capacity of a pipe in Linux, so that a larger buffer would not
/// be filled by one read; at half this value, a full pipe takes two reads.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// A child process that decodes. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    /// Standard input of the child. `None` after it was closed to end the child.
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    codec: MessageCodec,
    /// Number of inputs that the child has decoded.
    pub(crate) inputs: u32,
}

impl Child {
    /// Starts the program as a child.
    pub(crate) fn spawn(program: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg(CHILD_ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C in a terminal is for the parent: it ends its children when it has processed what is buffered.
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

    /// Returns true if the child is running.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Why the child died.
    pub(crate) fn send(&mut self, message: &impl Serialize) -> Result<(), String> {
        // After the child failed once, its standard input is closed and every later message fails too.
        let to = self.to.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe));
        let sent = to.and_then(|to| self.codec.send(to, message));
        sent.map_err(|error| self.failure_reason(&error))
    }

    /// Receives a message.
    ///
    /// # Errors
    /// Why the child died.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        match self.codec.receive(&mut self.from) {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.failure_reason(&io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(self.failure_reason(&error)),
        }
    }

    /// Ends the child and returns the reason why it failed.
    fn failure_reason(&mut self, error: &io::Error) -> String {
        // Closing standard input first ends a child that waits for a message.
        self.to = None;
        // A child that sent something invalid is alive; one that died is not affected.
        _ = self.process.kill();
        let mut text = Vec::new();
        // The child is dead, so the read ends. It comes before `wait`, whose status alone does not tell stack overflows
        // from failed allocations: both abort.
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
        // A child exits at the end of its standard input, but one that is decoding would first finish. So it is killed.
        self.to = None;
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Returns the limit that a child exceeded, or the signal that killed it, from its standard error and its exit status.
fn reason(stderr: &str, status: Option<ExitStatus>) -> Option<String> {
    // Memory and stack are checked before the signal, because both end with the same one, SIGABRT.
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

//! The program of a child process.

use std::fs::File;
use std::io::{self, BufReader};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use refrain_core::fingerprint::Density;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::audio::{Fingerprinted, OpenRequest, OpenedAudio, ReadRequest, WireError, serve_input};
use crate::limits;
use crate::supervisor::lock;
use crate::wire::MessageCodec;

/// First command-line argument of a program that runs as a child.
pub const CHILD_ARGUMENT: &str = "__decode";

/// Bytes that are read from the parent at once. It is the capacity of a pipe in Linux; at half of it, a full pipe takes
/// two reads, and twice as much is never filled by one read.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// Runs the decoders of streams in a child. A session keeps its state between two requests.
pub trait SessionHandler {
    /// Handles a request of a session. The first request of a session opens it.
    fn handle(&mut self, session: u64, request: &[u8]) -> Vec<u8>;

    /// Drops the state of a session.
    fn close(&mut self, session: u64);
}

/// Messages from parent to child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ChildRequest {
    /// Opens an input.
    Open(OpenRequest),
    /// Requests the next samples of the input.
    Next,
    /// Requests the fingerprint of the whole input.
    Fingerprint(Density),
    /// Ends the input.
    Close,
    /// Bytes of the input that the child requested; empty at the end of the input.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Reading the input failed with this error code and text.
    ReadError(Option<i32>, String),
    /// A request to a session.
    DecoderSession {
        session: u64,
        #[serde(with = "serde_bytes")]
        body: Vec<u8>,
    },
    /// Sessions that ended.
    CloseSessions(Vec<u64>),
}

/// Messages from child to parent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ChildReply {
    /// The input is open.
    Opened(Box<OpenedAudio>),
    /// Samples as little-endian bytes, and the state of the input after them. Empty at the end of the input.
    Samples(#[serde(with = "serde_bytes")] Vec<u8>, Box<OpenedAudio>),
    /// The fingerprint of the input.
    Fingerprint(Box<Fingerprinted>),
    /// The input cannot be decoded.
    Failed(WireError),
    /// Requests bytes of the input.
    Read(ReadRequest),
    /// The result of a request to a session.
    DecoderSession(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// The two pipes to the parent.
pub(crate) struct ParentChannel {
    from: BufReader<File>,
    to: File,
    codec: MessageCodec,
}

impl ParentChannel {
    /// Opens the standard input and output of this process. `Stdout` is not used, because it splits messages at line
    /// feeds, and each part would wake the parent.
    fn open() -> io::Result<Self> {
        #[cfg(unix)]
        let (from, to) = {
            use std::os::fd::AsFd;
            (io::stdin().as_fd().try_clone_to_owned()?, io::stdout().as_fd().try_clone_to_owned()?)
        };
        #[cfg(windows)]
        let (from, to) = {
            use std::os::windows::io::AsHandle;
            (io::stdin().as_handle().try_clone_to_owned()?, io::stdout().as_handle().try_clone_to_owned()?)
        };
        let from = BufReader::with_capacity(READ_BUFFER_BYTES, from.into());
        Ok(Self { from, to: to.into(), codec: MessageCodec::default() })
    }

    pub(crate) fn send(&mut self, reply: &ChildReply) -> io::Result<()> {
        self.codec.send(&mut self.to, reply)
    }

    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        self.codec.receive(&mut self.from)
    }
}

/// Decodes for the parent process until it closes standard input.
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

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
use crate::wire::Codec;

/// First command-line argument of a program that runs as a child.
pub const CHILD_ARGUMENT: &str = "__decode";

/// Bytes that are read from the parent at once.
const BLOCK: usize = 64 << 10;

/// Runs the decoders of streams in a child. A session keeps its state between two requests.
pub trait SessionHandler {
    /// Handles a request of a session. The first request of a session opens it.
    fn handle(&mut self, session: u64, request: &[u8]) -> Vec<u8>;

    /// Drops the state of a session.
    fn close(&mut self, session: u64);
}

/// Messages from parent to child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
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
    Session {
        session: u64,
        #[serde(with = "serde_bytes")]
        body: Vec<u8>,
    },
    /// Sessions that ended.
    CloseSessions(Vec<u64>),
}

/// Messages from child to parent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
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
    Session(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// The two pipes to the parent.
pub(crate) struct Channel {
    from: BufReader<File>,
    to: File,
    codec: Codec,
}

impl Channel {
    /// Opens the standard input and output of this process. `Stdout` is not used, because it splits messages at line feeds,
    /// and each part would wake the parent.
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
        let from = BufReader::with_capacity(BLOCK, from.into());
        Ok(Self { from, to: to.into(), codec: Codec::default() })
    }

    pub(crate) fn send(&mut self, reply: &Reply) -> io::Result<()> {
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
    // Decoders catch their panics and count the lost audio. Panic messages would fill the pipe of standard error, which the
    // parent reads only after the child died.
    std::panic::set_hook(Box::new(|_| ()));
    let served = Channel::open().and_then(|channel| serve(&Arc::new(Mutex::new(channel)), &mut sessions));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(channel: &Arc<Mutex<Channel>>, sessions: &mut impl SessionHandler) -> io::Result<()> {
    loop {
        let request = lock(channel).receive::<Request>()?;
        limits::grant_processor_time();
        match request {
            None => return Ok(()),
            Some(Request::Open(open)) => serve_input(channel, &open)?,
            Some(Request::Session { session, body }) => {
                let body = sessions.handle(session, &body);
                lock(channel).send(&Reply::Session(body))?;
            }
            Some(Request::CloseSessions(closed)) => closed.into_iter().for_each(|id| sessions.close(id)),
            // A late message for an input that is already closed.
            Some(_) => {}
        }
    }
}

//! The parent's side of an input that is decoded in a child.

use std::fmt;
use std::io::{self, Read, SeekFrom};

use refrain_core::audio::{AudioError, Limits, Seekable};
use refrain_core::fingerprint::Density;

use super::message::{Fingerprinted, InputKind, OpenRequest, OpenedAudio, ReadRequest};
use crate::child::Child;
use crate::protocol::{ChildReply, ChildRequest};
use crate::supervisor::Supervisor;

/// Maximum number of bytes that are sent to a child at once. The child reads blocks of 128 KiB, so valid requests stay
/// below. At half this value, they still fit; at twice this value, a compromised child makes this process allocate
/// twice as much per request.
const MAX_READ_BYTES: u32 = 256 << 10;

/// Source of the bytes that the parent reads for the child.
pub(super) enum RemoteSource {
    /// The child reads the file itself.
    None,
    Seekable(Box<dyn Seekable>),
    Stream(Box<dyn Read + Send + Sync>),
}

/// An input that is decoded in a child.
pub(super) struct RemoteReader {
    supervisor: &'static Supervisor,
    /// The child. `None` after the input ended or killed the child.
    child: Option<Child>,
    source: RemoteSource,
    name: String,
    samples: Vec<f32>,
    pub(super) info: OpenedAudio,
}

impl fmt::Debug for RemoteReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteReader").field("name", &self.name).finish_non_exhaustive()
    }
}

impl RemoteReader {
    pub(super) fn open(
        supervisor: &'static Supervisor,
        kind: InputKind,
        mut source: RemoteSource,
        name: String,
        limits: &Limits,
    ) -> Result<Self, AudioError> {
        let failed = |source: io::Error| {
            let source = io::Error::new(source.kind(), format!("no process to decode it: {source}"));
            AudioError::Open { name: name.clone(), source }
        };
        let mut child = supervisor.take().map_err(failed)?;
        let open = OpenRequest { source: kind, name: name.clone(), limits: limits.clone() };
        match exchange(&mut child, &mut source, &ChildRequest::Open(open)) {
            Ok(ChildReply::Opened(info)) => {
                Ok(Self { supervisor, child: Some(child), source, name, samples: Vec::new(), info: *info })
            }
            Ok(ChildReply::Failed(error)) => {
                supervisor.return_child(child);
                Err(error.into())
            }
            Ok(_) => Err(AudioError::Stopped { name, reason: UNEXPECTED_REPLY.to_owned() }),
            Err(reason) => Err(AudioError::Stopped { name, reason }),
        }
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<&[f32]>, AudioError> {
        self.samples.clear();
        match self.request(&ChildRequest::Next)? {
            Some(ChildReply::Samples(bytes, info)) => {
                self.info = *info;
                let (samples, _) = bytes.as_chunks();
                self.samples.extend(samples.iter().map(|bytes| f32::from_le_bytes(*bytes)));
                // An empty chunk marks the end. The child is returned at once and can decode another input.
                if self.samples.is_empty() {
                    self.end();
                }
                Ok(Some(self.samples.as_slice()).filter(|samples| !samples.is_empty()))
            }
            Some(_) => Err(self.unexpected()),
            None => Ok(None),
        }
    }

    pub(super) fn fingerprint(mut self, density: Density) -> Result<Fingerprinted, AudioError> {
        match self.request(&ChildRequest::Fingerprint(density))? {
            Some(ChildReply::Fingerprint(done)) => {
                self.end();
                Ok(*done)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Sends a request; `None` after the end of the input.
    fn request(&mut self, request: &ChildRequest) -> Result<Option<ChildReply>, AudioError> {
        let Some(child) = &mut self.child else { return Ok(None) };
        match exchange(child, &mut self.source, request) {
            Ok(ChildReply::Failed(error)) => {
                self.end();
                Err(error.into())
            }
            Ok(reply) => Ok(Some(reply)),
            // The child is dead and must not be returned to the supervisor.
            Err(reason) => {
                self.child = None;
                Err(AudioError::Stopped { name: self.name.clone(), reason })
            }
        }
    }

    /// Ends the input in the child, which is free for another one.
    fn end(&mut self) {
        if let Some(mut child) = self.child.take()
            && child.send(&ChildRequest::Close).is_ok()
        {
            self.supervisor.return_child(child);
        }
    }

    fn unexpected(&mut self) -> AudioError {
        self.child = None;
        AudioError::Stopped { name: self.name.clone(), reason: UNEXPECTED_REPLY.to_owned() }
    }
}

impl Drop for RemoteReader {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reason for a reply that does not belong to its request.
const UNEXPECTED_REPLY: &str = "its decoder sent another message than expected";

/// Sends a request, answers the child's requests for bytes of the input, and returns the result.
fn exchange(
    child: &mut Child,
    source: &mut RemoteSource,
    request: &ChildRequest,
) -> Result<ChildReply, String> {
    child.send(request)?;
    loop {
        match child.receive()? {
            ChildReply::Read(read) => {
                let bytes_reply = match source.read(read) {
                    Ok(bytes) => ChildRequest::Bytes(bytes),
                    // The child needs the code to create the same error, so that messages do not depend on where an
                    // input is decoded.
                    Err(error) => ChildRequest::ReadError(error.raw_os_error(), error.to_string()),
                };
                child.send(&bytes_reply)?;
            }
            reply => return Ok(reply),
        }
    }
}

impl RemoteSource {
    fn read(&mut self, request: ReadRequest) -> io::Result<Vec<u8>> {
        // The child is not trusted, so the length that it requests is limited.
        let mut bytes = vec![0; request.length.min(MAX_READ_BYTES) as usize];
        let read = |from: &mut dyn Read, bytes: &mut [u8]| loop {
            match from.read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        };
        let count = match self {
            Self::None => 0,
            Self::Stream(source) => read(source, &mut bytes)?,
            Self::Seekable(source) => {
                if let Some(offset) = request.offset {
                    source.seek(SeekFrom::Start(offset))?;
                }
                read(source, &mut bytes)?
            }
        };
        bytes.truncate(count);
        Ok(bytes)
    }
}

//! An input that is decoded in a child, as used by the parent.

use std::fmt;
use std::io::{self, Read, SeekFrom};

use refrain_core::audio::{AudioError, Limits, Seekable};
use refrain_core::fingerprint::Density;

use super::message::{Fingerprinted, InputKind, OpenRequest, OpenedAudio, ReadRequest};
use crate::child::Child;
use crate::protocol::{ChildReply, ChildRequest};
use crate::supervisor::Supervisor;

/// Maximum number of bytes that are sent to a child in one message. Valid requests of a child are at most 128 KiB. The
/// limit bounds the memory that a compromised child can make this process allocate.
const MAX_READ_BYTES: u32 = 256 << 10;

/// Source of the bytes of an input that the parent reads for the child.
pub(super) enum RemoteSource {
    /// The child reads the file itself, so the parent reads nothing.
    None,
    Seekable(Box<dyn Seekable>),
    Stream(Box<dyn Read + Send + Sync>),
}

/// An input that is decoded in a child.
pub(super) struct RemoteReader {
    supervisor: &'static Supervisor,
    /// The child. `None` after the end of the input, and after the child died.
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
                // An empty chunk marks the end of the input. The child is returned at once, so that it can decode
                // another input.
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

    /// Sends a request to the child and returns its reply. Returns `None` after the end of the input, or after the
    /// child died.
    fn request(&mut self, request: &ChildRequest) -> Result<Option<ChildReply>, AudioError> {
        let Some(child) = &mut self.child else { return Ok(None) };
        match exchange(child, &mut self.source, request) {
            Ok(ChildReply::Failed(error)) => {
                self.end();
                Err(error.into())
            }
            Ok(reply) => Ok(Some(reply)),
            // The child has died and must not be returned to the supervisor.
            Err(reason) => {
                self.child = None;
                Err(AudioError::Stopped { name: self.name.clone(), reason })
            }
        }
    }

    /// Closes the input in the child, and returns the child to the supervisor for another input.
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

/// Reason in the error for a reply of the child that does not belong to the request.
const UNEXPECTED_REPLY: &str = "its decoder sent another message than expected";

/// Sends a request to the child, handles the requests of the child for bytes of the input, and returns the reply. An
/// error is the reason why the child died.
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
                    // The child needs the error code to create the same error, so that messages do not depend on the
                    // process that decodes an input.
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
        // The child is not trusted, so the requested length is limited.
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

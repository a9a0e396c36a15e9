//! The parent's side of an input that is decoded in a child.

use std::fmt;
use std::io::{self, Read, SeekFrom};

use refrain_core::audio::{AudioError, Limits, Searchable};
use refrain_core::fingerprint::Density;

use super::message::{Fingerprinted, OpenRequest, OpenedAudio, ReadRequest, SourceKind};
use crate::child::Child;
use crate::supervisor::Supervisor;
use crate::worker::{Reply, Request};

/// Maximum number of bytes that are sent to a child at once.
const MAX_READ_BYTES: u32 = 256 << 10;

/// Source of the bytes that the parent reads for the child.
pub(super) enum RemoteSource {
    /// The child reads the file itself.
    None,
    Searchable(Box<dyn Searchable>),
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
    pub(super) about: OpenedAudio,
}

impl fmt::Debug for RemoteReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteReader").field("name", &self.name).finish_non_exhaustive()
    }
}

impl RemoteReader {
    pub(super) fn open(
        supervisor: &'static Supervisor,
        kind: SourceKind,
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
        match exchange(&mut child, &mut source, &Request::Open(open)) {
            Ok(Reply::Opened(about)) => {
                Ok(Self { supervisor, child: Some(child), source, name, samples: Vec::new(), about: *about })
            }
            Ok(Reply::Failed(error)) => {
                supervisor.give_back(child);
                Err(error.into())
            }
            Ok(_) => Err(AudioError::Stopped { name, reason: UNEXPECTED.to_owned() }),
            Err(reason) => Err(AudioError::Stopped { name, reason }),
        }
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<&[f32]>, AudioError> {
        self.samples.clear();
        match self.request(&Request::Next)? {
            Some(Reply::Samples(bytes, about)) => {
                self.about = *about;
                let (samples, _) = bytes.as_chunks();
                self.samples.extend(samples.iter().map(|bytes| f32::from_le_bytes(*bytes)));
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
        match self.request(&Request::Fingerprint(density))? {
            Some(Reply::Fingerprint(done)) => {
                self.end();
                Ok(*done)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Sends a request; `None` after the end of the input.
    fn request(&mut self, request: &Request) -> Result<Option<Reply>, AudioError> {
        let Some(child) = &mut self.child else { return Ok(None) };
        match exchange(child, &mut self.source, request) {
            Ok(Reply::Failed(error)) => {
                self.end();
                Err(error.into())
            }
            Ok(reply) => Ok(Some(reply)),
            Err(reason) => {
                self.child = None;
                Err(AudioError::Stopped { name: self.name.clone(), reason })
            }
        }
    }

    /// Ends the input in the child, which is free for another one.
    fn end(&mut self) {
        if let Some(mut child) = self.child.take()
            && child.send(&Request::Close).is_ok()
        {
            self.supervisor.give_back(child);
        }
    }

    fn unexpected(&mut self) -> AudioError {
        self.child = None;
        AudioError::Stopped { name: self.name.clone(), reason: UNEXPECTED.to_owned() }
    }
}

impl Drop for RemoteReader {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reason for a reply that does not belong to its request.
const UNEXPECTED: &str = "its decoder sent another message than expected";

/// Sends a request, answers the child's requests for bytes of the input, and returns the result.
fn exchange(child: &mut Child, source: &mut RemoteSource, request: &Request) -> Result<Reply, String> {
    child.send(request)?;
    loop {
        match child.receive()? {
            Reply::Read(read) => {
                let answer = match source.read(read) {
                    Ok(bytes) => Request::Bytes(bytes),
                    Err(error) => Request::ReadError(error.raw_os_error(), error.to_string()),
                };
                child.send(&answer)?;
            }
            reply => return Ok(reply),
        }
    }
}

impl RemoteSource {
    fn read(&mut self, request: ReadRequest) -> io::Result<Vec<u8>> {
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
            Self::Searchable(source) => {
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

//! The child's side of an input.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex};

use refrain_core::audio::{AudioError, AudioReader, Searchable};

use super::error::system_error;
use super::message::{OpenRequest, OpenedAudio, ReadRequest, SourceKind};
use super::reader::Reader;
use crate::limits::{SAMPLES_PER_STEP, grant_processor_time};
use crate::supervisor::lock;
use crate::worker::{Channel, Reply, Request};

/// Opens an input and serves the parent's requests for it until the input is closed.
///
/// # Errors
/// Returns errors of the pipes, which mean that the parent has exited.
pub(crate) fn serve_input(channel: &Arc<Mutex<Channel>>, open: &OpenRequest) -> io::Result<()> {
    let mut reader = match open_reader(channel, open) {
        Ok(reader) => Reader::local(reader),
        Err(error) => return lock(channel).send(&Reply::Failed(error.into())),
    };
    lock(channel).send(&Reply::Opened(Box::new(about(&reader))))?;
    let mut budget = Budget::default();
    loop {
        let request = lock(channel).receive::<Request>()?;
        let reply = match request {
            Some(Request::Next) => match reader.next_chunk() {
                Ok(chunk) => {
                    let chunk = chunk.unwrap_or_default();
                    budget.spend(chunk.len());
                    let bytes = chunk.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                    Reply::Samples(bytes, Box::new(about(&reader)))
                }
                Err(error) => Reply::Failed(error.into()),
            },
            Some(Request::Fingerprint(density)) => {
                match reader.fingerprint_with(density, |chunk| budget.spend(chunk.len())) {
                    Ok(done) => Reply::Fingerprint(Box::new(done)),
                    Err(error) => Reply::Failed(error.into()),
                }
            }
            _ => return Ok(()),
        };
        lock(channel).send(&reply)?;
    }
}

/// Extends the limit of processor time while samples are decoded.
#[derive(Default)]
struct Budget {
    samples: u64,
}

impl Budget {
    fn spend(&mut self, samples: usize) {
        self.samples += samples as u64;
        if self.samples >= SAMPLES_PER_STEP {
            self.samples = 0;
            grant_processor_time();
        }
    }
}

fn about(reader: &Reader) -> OpenedAudio {
    OpenedAudio {
        tags: reader.tags().clone(),
        format: reader.format().clone(),
        report: reader.report().clone(),
    }
}

fn open_reader(channel: &Arc<Mutex<Channel>>, open: &OpenRequest) -> Result<AudioReader, AudioError> {
    let source = |length| ParentSource { channel: Arc::clone(channel), length, position: 0 };
    match &open.source {
        SourceKind::Path(path) => AudioReader::open(path, &open.limits),
        SourceKind::Searchable(length) => {
            let open_again = || Ok(Box::new(source(Some(*length))) as Box<dyn Searchable>);
            AudioReader::from_searchable(open_again, *length, &open.name, &open.limits)
        }
        SourceKind::Stream => AudioReader::from_source(Box::new(source(None)), &open.name, &open.limits),
    }
}

/// An input whose bytes the parent reads for this process.
struct ParentSource {
    channel: Arc<Mutex<Channel>>,
    /// Length in bytes of a source with random access; `None` for a stream.
    length: Option<u64>,
    position: u64,
}

impl Read for ParentSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let request = ReadRequest { offset: self.length.map(|_| self.position), length };
        let mut channel = lock(&self.channel);
        channel.send(&Reply::Read(request))?;
        match channel.receive::<Request>()? {
            Some(Request::Bytes(bytes)) => {
                let count = bytes.len().min(buffer.len());
                if let (Some(to), Some(from)) = (buffer.get_mut(..count), bytes.get(..count)) {
                    to.copy_from_slice(from);
                }
                self.position += count as u64;
                Ok(count)
            }
            Some(Request::ReadError(code, text)) => Err(system_error(code, text)),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Seek for ParentSource {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.length.and_then(|length| length.checked_add_signed(by)),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

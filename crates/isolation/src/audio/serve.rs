//! Decodes an input in the child.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex};

use refrain_core::audio::{AudioError, AudioReader, Seekable};

use super::error::system_error;
use super::message::{InputKind, OpenRequest, OpenedAudio, ReadRequest};
use super::reader::Reader;
use crate::limits::{SAMPLES_PER_CPU_GRANT, extend_cpu_limit};
use crate::lock::lock;
use crate::parent_channel::ParentChannel;
use crate::protocol::{ChildReply, ChildRequest};

/// Opens an input and handles the requests of the parent for this input until the parent closes it.
///
/// # Errors
/// Returns errors of the pipes, which mean that the parent has exited. If the input cannot be opened or decoded, the
/// parent receives the error.
pub(crate) fn serve_input(channel: &Arc<Mutex<ParentChannel>>, open: &OpenRequest) -> io::Result<()> {
    let mut reader = match open_reader(channel, open) {
        Ok(reader) => Reader::local(reader),
        Err(error) => return lock(channel).send(&ChildReply::Failed(error.into())),
    };
    lock(channel).send(&ChildReply::Opened(Box::new(info(&reader))))?;
    let mut budget = CpuBudget::default();
    loop {
        // The channel must not stay locked while the reader decodes, because `ParentSource` locks it to request bytes.
        let request = lock(channel).receive::<ChildRequest>()?;
        let reply = match request {
            Some(ChildRequest::Next) => match reader.next_chunk() {
                Ok(chunk) => {
                    let chunk = chunk.unwrap_or_default();
                    budget.add_samples(chunk.len());
                    let bytes = chunk.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                    ChildReply::Samples(bytes, Box::new(info(&reader)))
                }
                Err(error) => ChildReply::Failed(error.into()),
            },
            Some(ChildRequest::Fingerprint(density)) => {
                match reader.fingerprint_with(density, |chunk| budget.add_samples(chunk.len())) {
                    Ok(done) => ChildReply::Fingerprint(Box::new(done)),
                    Err(error) => ChildReply::Failed(error.into()),
                }
            }
            // `Close`, the end of the pipe, or a message that does not belong to an input. The caller continues with
            // the next message.
            _ => return Ok(()),
        };
        lock(channel).send(&reply)?;
    }
}

/// Extends the limit of processor time each time [`SAMPLES_PER_CPU_GRANT`] samples were decoded.
#[derive(Default)]
struct CpuBudget {
    samples: u64,
}

impl CpuBudget {
    fn add_samples(&mut self, samples: usize) {
        self.samples += samples as u64;
        if self.samples >= SAMPLES_PER_CPU_GRANT {
            self.samples = 0;
            extend_cpu_limit();
        }
    }
}

fn info(reader: &Reader) -> OpenedAudio {
    OpenedAudio {
        tags: reader.tags().clone(),
        format: reader.format().clone(),
        report: reader.report().clone(),
    }
}

fn open_reader(channel: &Arc<Mutex<ParentChannel>>, open: &OpenRequest) -> Result<AudioReader, AudioError> {
    let source = |length| ParentSource { channel: Arc::clone(channel), length, position: 0 };
    match &open.source {
        InputKind::Path(path) => AudioReader::open(path, &open.limits),
        InputKind::Seekable(length) => {
            let open_again = || Ok(Box::new(source(Some(*length))) as Box<dyn Seekable>);
            AudioReader::from_seekable(open_again, *length, &open.name, &open.limits)
        }
        InputKind::Stream => AudioReader::from_source(Box::new(source(None)), &open.name, &open.limits),
    }
}

/// A byte source that requests the bytes of the input from the parent.
struct ParentSource {
    channel: Arc<Mutex<ParentChannel>>,
    /// Length in bytes of a seekable input; `None` for a stream.
    length: Option<u64>,
    position: u64,
}

impl Read for ParentSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let request = ReadRequest { offset: self.length.map(|_| self.position), length };
        // The channel stays locked for request and reply, so that no other message is sent between them.
        let mut channel = lock(&self.channel);
        channel.send(&ChildReply::Read(request))?;
        match channel.receive::<ChildRequest>()? {
            Some(ChildRequest::Bytes(bytes)) => {
                // The parent sends no more bytes than requested, but the length comes from another process and is
                // checked.
                let count = bytes.len().min(buffer.len());
                if let (Some(to), Some(from)) = (buffer.get_mut(..count), bytes.get(..count)) {
                    to.copy_from_slice(from);
                }
                self.position += count as u64;
                Ok(count)
            }
            Some(ChildRequest::ReadError(code, text)) => Err(system_error(code, text)),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Seek for ParentSource {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            // No message is sent for a seek, because the next read request contains the offset.
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.length.and_then(|length| length.checked_add_signed(by)),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

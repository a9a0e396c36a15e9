//! Reads standard input and other blocking readers: `ffmpeg -i anything … | refrain monitor -`.
//!
//! A separate thread reads, because reading blocks. The thread also decodes everything except MPEG-TS. It is at most a
//! few deliveries ahead of the consumer.

mod pcm;

use std::io::{Cursor, ErrorKind, Read};
use std::thread;

use bytes::Bytes;
use refrain_core::audio::{AudioError, FrameError, Limits, LiveDecoder, ts};
use refrain_isolation::open_stream;
use tokio::sync::{mpsc, oneshot};

use crate::delivery::Delivery;

pub use pcm::{PcmError, PcmFormat, SampleEncoding};

/// Maximum number of bytes per read: half of the usual capacity of a pipe. At half this value, fast input needs twice
/// as many system calls; at twice this value, slow input gains nothing, because a read returns only the available
/// bytes.
const READ_BYTES: usize = 32 << 10;

/// Number of initial bytes from which a transport stream is recognized: 21 packets. At half this value, the sync bytes
/// of 10 packets still suffice; at twice this value, a slow stream starts later.
const HEAD_BYTES: usize = 4 << 10;

/// Capacity of the channel of deliveries. Reading continues while up to this number of deliveries are not yet
/// processed; a full channel blocks the thread, and then the writer of the pipe. At half this value, the writer is
/// blocked more often; at twice this value, each pipe keeps more decoded audio in memory.
const QUEUE_CAPACITY: usize = 4;

/// Name of a pipe in error messages.
const NAME: &str = "the piped stream";

/// Format of the input of a [`PipeSource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipeContent {
    /// Any container, or frames without a container, that can be decoded without seeking.
    Container,
    /// Raw PCM in this format.
    Pcm(PcmFormat),
}

/// Reason why a piped stream could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipeError {
    /// The input cannot be read or decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The PCM format cannot be resampled to 44.1 kHz.
    #[error(transparent)]
    Pcm(#[from] FrameError),
    /// The reader thread could not be started.
    #[error("cannot start the thread that reads {NAME}: {0}")]
    Thread(std::io::Error),
}

/// A stream that is read from a pipe, a file or a socket until it ends.
#[derive(Debug)]
pub struct PipeSource {
    deliveries: mpsc::Receiver<Delivery>,
    outcome: oneshot::Receiver<Result<(), PipeError>>,
}

impl PipeSource {
    /// Starts a thread that reads `source`, whose format is `content`.
    ///
    /// # Errors
    /// [`PipeError::Thread`] if the thread cannot be started.
    pub fn open(source: impl Read + Send + Sync + 'static, content: PipeContent) -> Result<Self, PipeError> {
        let (sender, deliveries) = mpsc::channel(QUEUE_CAPACITY);
        let (outcome_sender, outcome) = oneshot::channel();
        let run = move || {
            let done = match content {
                PipeContent::Pcm(format) => read_pcm(source, format, &sender),
                PipeContent::Container => read_container(Box::new(source), NAME, &sender),
            };
            // Sending fails if the [`PipeSource`] was dropped; the outcome is then not needed.
            _ = outcome_sender.send(done);
        };
        thread::Builder::new().name("pipe".to_owned()).spawn(run).map_err(PipeError::Thread)?;
        Ok(Self { deliveries, outcome })
    }

    /// Waits for the next delivery. Returns `None` at the end of the input. This method is cancel safe.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }

    /// Returns the result of reading the input. Call this method after [`PipeSource::next`] has returned `None`:
    /// deliveries that [`PipeSource::next`] has not returned yet are dropped.
    ///
    /// # Errors
    /// [`PipeError`] if the input could not be read or decoded to its end.
    pub async fn outcome(self) -> Result<(), PipeError> {
        drop(self.deliveries);
        self.outcome.await.unwrap_or(Ok(()))
    }
}

/// Reads any container. A transport stream is delivered as bytes, because [`crate::StreamDecoder`] uses its time
/// stamps; this function decodes everything else and delivers samples. `name` is the name of the input in errors.
pub(crate) fn read_container(
    mut source: Box<dyn Read + Send + Sync>,
    name: &str,
    sender: &mpsc::Sender<Delivery>,
) -> Result<(), PipeError> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    // An input shorter than the head is no error here: the decoder reports an empty or tiny file by name.
    source
        .by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(|error| read_error(name, error))?;
    let is_ts = ts::looks_like_ts(&head);
    // The head is chained in front, because a pipe cannot be rewound.
    let mut source = Cursor::new(head).chain(source);
    if !is_ts {
        return decode(Box::new(source), name, sender);
    }
    let mut block = vec![0; READ_BYTES];
    while let Some(bytes) = read_block(&mut source, name, &mut block)? {
        if sender.blocking_send(Delivery::Bytes(Bytes::copy_from_slice(bytes))).is_err() {
            break;
        }
    }
    Ok(())
}

/// Decodes a stream until it ends or the receiver of the deliveries is dropped. `name` is the name of the stream in
/// errors.
pub(crate) fn decode(
    source: Box<dyn Read + Send + Sync>,
    name: &str,
    sender: &mpsc::Sender<Delivery>,
) -> Result<(), PipeError> {
    // A live input has no end, so the limit of the duration of files does not apply.
    let endless = Limits { max_seconds: f64::INFINITY, ..Limits::default() };
    let mut reader = open_stream(source, name, &endless)?;
    while let Some(chunk) = reader.next_chunk()? {
        if sender.blocking_send(Delivery::Decoded(chunk.to_vec())).is_err() {
            break;
        }
    }
    Ok(())
}

fn read_pcm(
    mut source: impl Read,
    format: PcmFormat,
    sender: &mpsc::Sender<Delivery>,
) -> Result<(), PipeError> {
    let mut decoder = LiveDecoder::new();
    let mut block = vec![0; READ_BYTES];
    let (mut bytes, mut samples) = (Vec::with_capacity(READ_BYTES), Vec::new());
    let mut ended = false;
    while !ended {
        match read_block(&mut source, NAME, &mut block)? {
            Some(read) => bytes.extend_from_slice(read),
            None => ended = true,
        }
        // A read can end within a frame of PCM. The incomplete frame is kept for the next block.
        let whole = bytes.len() - bytes.len() % format.frame();
        samples.clear();
        format.read(bytes.get(..whole).unwrap_or_default(), &mut samples);
        bytes.drain(..whole);
        decoder.push(&samples, format.channels, format.rate)?;
        if ended {
            decoder.finish();
        }
        if !decoder.ready().is_empty() {
            if sender.blocking_send(Delivery::Decoded(decoder.ready().to_vec())).is_err() {
                break;
            }
            decoder.clear();
        }
    }
    Ok(())
}

/// Reads the bytes that are available, at most the length of `block`. Returns `None` at the end of the input.
fn read_block<'a>(
    source: &mut impl Read,
    name: &str,
    block: &'a mut [u8],
) -> Result<Option<&'a [u8]>, PipeError> {
    loop {
        match source.read(block) {
            Ok(0) => return Ok(None),
            Ok(count) => return Ok(block.get(..count)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(read_error(name, error)),
        }
    }
}

fn read_error(name: &str, source: std::io::Error) -> PipeError {
    PipeError::Audio(AudioError::Read { name: name.to_owned(), source })
}

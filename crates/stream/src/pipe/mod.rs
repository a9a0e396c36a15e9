//! Standard input and everything else that is read, not asked for: `ffmpeg -i anything … | refrain monitor -`.
//!
//! Reading blocks, so a thread does it, and decodes there what has to be pulled. It is never more than a few pieces
//! ahead of whoever takes them.

mod pcm;

use std::io::{Cursor, ErrorKind, Read};
use std::thread;

use bytes::Bytes;
use refrain_core::audio::{AudioError, FrameError, Limits, LiveDecoder, ts};
use refrain_isolation::open_stream;
use tokio::sync::{mpsc, oneshot};

use crate::delivery::Delivery;

pub use pcm::{PcmError, PcmFormat, SampleEncoding};

/// Bytes that are read at once.
const BLOCK: usize = 32 << 10;

/// Bytes that show whether it is a transport stream.
const HEAD: usize = 4 << 10;

/// Deliveries that wait for whoever takes them.
const QUEUE: usize = 4;

/// What stands in messages for what is read.
const NAME: &str = "the piped stream";

/// What comes through a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipeContent {
    /// Any container or bare frames that the engine reads as a stream.
    Container,
    /// Raw PCM.
    Pcm(PcmFormat),
}

/// Why a piped stream ended before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipeError {
    /// It cannot be read or decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// Its PCM format cannot be brought to the engine's rate.
    #[error(transparent)]
    Pcm(#[from] FrameError),
    /// No thread could be started.
    #[error("no thread to read {NAME} with: {0}")]
    Thread(std::io::Error),
}

/// A stream that is read from a pipe, a file or a socket until it ends.
#[derive(Debug)]
pub struct PipeSource {
    deliveries: mpsc::Receiver<Delivery>,
    outcome: oneshot::Receiver<Result<(), PipeError>>,
}

impl PipeSource {
    /// Reads `source` from now on.
    ///
    /// # Errors
    /// [`PipeError::Thread`] if the system refuses a thread.
    pub fn open(source: impl Read + Send + Sync + 'static, content: PipeContent) -> Result<Self, PipeError> {
        let (give, deliveries) = mpsc::channel(QUEUE);
        let (tell, outcome) = oneshot::channel();
        let run = move || {
            let done = match content {
                PipeContent::Pcm(format) => read_pcm(source, format, &give),
                PipeContent::Container => read_container(Box::new(source), &give),
            };
            // Whoever has left wants to know nothing.
            _ = tell.send(done);
        };
        thread::Builder::new().name("pipe".to_owned()).spawn(run).map_err(PipeError::Thread)?;
        Ok(Self { deliveries, outcome })
    }

    /// What comes next; nothing at the end. Safe to drop while it waits.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }

    /// How it ended; asked once, after [`PipeSource::next`] gave nothing.
    ///
    /// # Errors
    /// [`PipeError`] if it could not be read to its end.
    pub async fn outcome(self) -> Result<(), PipeError> {
        drop(self.deliveries);
        self.outcome.await.unwrap_or(Ok(()))
    }
}

/// Reads any container. A transport stream is given on as it is, for an ear knows its time stamps; everything else is
/// decoded here.
pub(crate) fn read_container(
    mut source: Box<dyn Read + Send + Sync>,
    give: &mpsc::Sender<Delivery>,
) -> Result<(), PipeError> {
    let mut head = Vec::with_capacity(HEAD);
    source.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(read_error)?;
    let is_ts = ts::looks_like_ts(&head);
    let mut source = Cursor::new(head).chain(source);
    if !is_ts {
        return decode(Box::new(source), give);
    }
    let mut block = vec![0; BLOCK];
    while let Some(bytes) = read_block(&mut source, &mut block)? {
        if give.blocking_send(Delivery::Bytes(Bytes::copy_from_slice(bytes))).is_err() {
            break;
        }
    }
    Ok(())
}

/// Decodes a stream as long as it lasts and somebody listens.
pub(crate) fn decode(
    source: Box<dyn Read + Send + Sync>,
    give: &mpsc::Sender<Delivery>,
) -> Result<(), PipeError> {
    let endless = Limits { max_seconds: f64::INFINITY, ..Limits::default() };
    let mut reader = open_stream(source, NAME, &endless)?;
    while let Some(chunk) = reader.next_chunk()? {
        if give.blocking_send(Delivery::Decoded(chunk.to_vec())).is_err() {
            break;
        }
    }
    Ok(())
}

fn read_pcm(
    mut source: impl Read,
    format: PcmFormat,
    give: &mpsc::Sender<Delivery>,
) -> Result<(), PipeError> {
    let mut decoder = LiveDecoder::new();
    let mut block = vec![0; BLOCK];
    let (mut bytes, mut samples) = (Vec::with_capacity(BLOCK), Vec::new());
    let mut ended = false;
    while !ended {
        match read_block(&mut source, &mut block)? {
            Some(read) => bytes.extend_from_slice(read),
            None => ended = true,
        }
        let whole = bytes.len() - bytes.len() % format.frame();
        samples.clear();
        format.read(bytes.get(..whole).unwrap_or_default(), &mut samples);
        bytes.drain(..whole);
        decoder.push(&samples, format.channels, format.rate)?;
        if ended {
            decoder.finish();
        }
        if !decoder.ready().is_empty() {
            if give.blocking_send(Delivery::Decoded(decoder.ready().to_vec())).is_err() {
                break;
            }
            decoder.clear();
        }
    }
    Ok(())
}

/// The next bytes that are there; nothing at the end.
fn read_block<'a>(source: &mut impl Read, block: &'a mut [u8]) -> Result<Option<&'a [u8]>, PipeError> {
    loop {
        match source.read(block) {
            Ok(0) => return Ok(None),
            Ok(count) => return Ok(block.get(..count)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(read_error(error)),
        }
    }
}

fn read_error(source: std::io::Error) -> PipeError {
    PipeError::Audio(AudioError::Read { name: NAME.to_owned(), source })
}

//! Decoding of containers whose decoder reads its input with blocking calls. The decoder runs on a thread that blocks
//! until bytes arrive.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::thread;

use bytes::{Buf, Bytes};
use tokio::sync::{mpsc, oneshot};

use crate::delivery::Delivery;
use crate::pipe::{self, PipeError};

/// Capacity of each of the two channels: pieces of a few kilobytes from the network to the thread, and decoded audio
/// from the thread. At half this value, the thread waits for the network more often; at twice this value, each station
/// keeps more audio in memory.
const QUEUE_CAPACITY: usize = 8;

/// Kind of the input of a [`PullDecoder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PullInput {
    /// A stream of unlimited duration in a container.
    Station,
    /// A complete file of any format.
    File,
}

impl PullInput {
    /// Returns the name of the input for error messages, which also contain the host.
    fn name(self) -> &'static str {
        match self {
            Self::Station => "the stream of the station",
            Self::File => "the downloaded file",
        }
    }
}

/// A decoder on a separate thread.
#[derive(Debug)]
pub(super) struct PullDecoder {
    /// Sender of bytes to the thread; `None` after all bytes were sent.
    bytes: Option<mpsc::Sender<Bytes>>,
    /// Bytes that do not fit into the channel to the thread yet.
    waiting: VecDeque<Bytes>,
    /// True if no more bytes will be added.
    closing: bool,
    sound: mpsc::Receiver<Delivery>,
    outcome: oneshot::Receiver<Result<(), PipeError>>,
}

impl PullDecoder {
    /// Starts the decoder thread. If that fails, returns the message of the operating system's error.
    pub(super) fn start(content: PullInput) -> Result<Self, String> {
        let (bytes, incoming) = mpsc::channel(QUEUE_CAPACITY);
        let (sender, sound) = mpsc::channel(QUEUE_CAPACITY);
        let (outcome_sender, outcome) = oneshot::channel();
        let source = Incoming { bytes: incoming, current: Bytes::new() };
        let run = move || {
            _ = outcome_sender.send(match content {
                PullInput::Station => pipe::decode(Box::new(source), content.name(), &sender),
                PullInput::File => pipe::read_container(Box::new(source), content.name(), &sender),
            });
        };
        thread::Builder::new().name("radio".to_owned()).spawn(run).map_err(|error| error.to_string())?;
        Ok(Self { bytes: Some(bytes), waiting: VecDeque::new(), closing: false, sound, outcome })
    }

    /// Returns true if more bytes should be read from the network.
    pub(super) fn has_capacity(&self) -> bool {
        self.waiting.is_empty() && !self.closing
    }

    /// Queues bytes for the thread and sends as many as its channel has capacity for.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.waiting.push_back(bytes);
        // This does not wait for capacity: the calling task must also receive decoded audio, and the thread may be
        // blocked until it does.
        while let Some(sender) = &self.bytes
            && let Ok(permit) = sender.try_reserve()
            && let Some(bytes) = self.waiting.pop_front()
        {
            permit.send(bytes);
        }
    }

    /// Marks the end of the input. The thread ends when it has decoded all bytes.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Waits for the next decoded audio. Returns `Ok(None)` after a queued piece was sent to the thread, so that the
    /// queue may have capacity again. Returns an error when the thread has ended: the reason if it could not decode
    /// everything, otherwise `None`. This method is cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<Delivery>, Option<String>> {
        // For the thread, the input ends when the sender is dropped.
        if self.closing && self.waiting.is_empty() {
            self.bytes = None;
        }
        let permit = async {
            match &self.bytes {
                Some(sender) => sender.reserve().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Decoded audio first, so that the thread is never blocked by its output while its input is full.
            biased;
            sound = self.sound.recv() => match sound {
                Some(sound) => Ok(Some(sound)),
                None => Err(match (&mut self.outcome).await {
                    Ok(Err(error)) => Some(error.to_string()),
                    _ => None,
                }),
            },
            Ok(permit) = permit, if !self.waiting.is_empty() => {
                if let Some(bytes) = self.waiting.pop_front() {
                    permit.send(bytes);
                }
                Ok(None)
            }
        }
    }
}

/// Blocking reader of the received bytes. The input ends when the sender is dropped.
struct Incoming {
    bytes: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.bytes.blocking_recv() {
                Some(bytes) => self.current = bytes,
                None => return Ok(0),
            }
        }
        let count = self.current.len().min(buffer.len());
        let (Some(to), Some(from)) = (buffer.get_mut(..count), self.current.get(..count)) else {
            return Ok(0);
        };
        to.copy_from_slice(from);
        self.current.advance(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn decode_errors_name_the_kind_of_the_source() {
        for (input, name) in
            [(PullInput::Station, "the stream of the station"), (PullInput::File, "the downloaded file")]
        {
            let mut decoder = PullDecoder::start(input).unwrap();
            decoder.push(Bytes::from_static(b"OggS, but not a page"));
            decoder.close();
            let reason = loop {
                if let Err(reason) = decoder.next().await {
                    break reason.unwrap();
                }
            };
            assert!(reason.contains(name) && !reason.contains("pipe"), "{reason}");
        }
    }
}

//! Decoding of containers whose decoder reads its input itself. It runs on a thread that blocks until bytes arrive.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::thread;

use bytes::{Buf, Bytes};
use tokio::sync::{mpsc, oneshot};

use crate::delivery::Delivery;
use crate::pipe::{self, PipeError};

/// Capacity of each channel: network pieces of a few kilobytes each to the thread, and decoded audio from it.
const QUEUE: usize = 8;

/// Kind of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// A container of unlimited duration.
    Station,
    /// A complete file of any format.
    File,
}

/// A decoder on a separate thread.
#[derive(Debug)]
pub(super) struct Pulled {
    /// Sender of bytes to the thread; `None` once all bytes have been sent.
    bytes: Option<mpsc::Sender<Bytes>>,
    /// Bytes that do not fit into the channel to the thread yet.
    waiting: VecDeque<Bytes>,
    /// True if no more bytes will be added.
    closing: bool,
    sound: mpsc::Receiver<Delivery>,
    outcome: oneshot::Receiver<Result<(), PipeError>>,
}

impl Pulled {
    /// Starts the thread. Returns the reason if that fails.
    pub(super) fn start(content: Content) -> Result<Self, String> {
        let (bytes, incoming) = mpsc::channel(QUEUE);
        let (give, sound) = mpsc::channel(QUEUE);
        let (tell, outcome) = oneshot::channel();
        let source = Incoming { bytes: incoming, current: Bytes::new() };
        let run = move || {
            _ = tell.send(match content {
                Content::Station => pipe::decode(Box::new(source), &give),
                Content::File => pipe::read_container(Box::new(source), &give),
            });
        };
        thread::Builder::new().name("radio".to_owned()).spawn(run).map_err(|error| error.to_string())?;
        Ok(Self { bytes: Some(bytes), waiting: VecDeque::new(), closing: false, sound, outcome })
    }

    /// Returns true if more bytes should be read from the network.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.is_empty() && !self.closing
    }

    /// Queues bytes for the thread and sends as many as its channel has capacity for.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.waiting.push_back(bytes);
        while let Some(sender) = &self.bytes
            && let Ok(room) = sender.try_reserve()
            && let Some(bytes) = self.waiting.pop_front()
        {
            room.send(bytes);
        }
    }

    /// Marks the end of the input. The thread ends when it has decoded all bytes.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Waits for the next decoded audio. Returns `None` when a queued piece has been sent to the thread, so that there may be
    /// room again. Returns an error when the thread has ended, with the reason if it could not decode everything. This method
    /// is cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<Delivery>, Option<String>> {
        if self.closing && self.waiting.is_empty() {
            self.bytes = None;
        }
        let room = async {
            match &self.bytes {
                Some(sender) => sender.reserve().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            sound = self.sound.recv() => match sound {
                Some(sound) => Ok(Some(sound)),
                None => Err(match (&mut self.outcome).await {
                    Ok(Err(error)) => Some(error.to_string()),
                    _ => None,
                }),
            },
            Ok(room) = room, if !self.waiting.is_empty() => {
                if let Some(bytes) = self.waiting.pop_front() {
                    room.send(bytes);
                }
                Ok(None)
            }
        }
    }
}

/// Blocking reader of the bytes that were received. It ends when the sender is dropped.
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

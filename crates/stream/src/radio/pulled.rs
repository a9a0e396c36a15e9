//! Containers that have to be pulled: decoded on a thread that waits for their bytes.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::thread;

use bytes::{Buf, Bytes};
use tokio::sync::{mpsc, oneshot};

use crate::delivery::Delivery;
use crate::pipe::{self, PipeError};

/// Pieces of the network, some kilobytes each, and of sound that wait on both sides of the thread.
const QUEUE: usize = 8;

/// What is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// A container without end.
    Station,
    /// A file of any format.
    File,
}

/// A decoder on a thread of its own.
#[derive(Debug)]
pub(super) struct Pulled {
    /// To the thread; nothing once it has all.
    bytes: Option<mpsc::Sender<Bytes>>,
    /// Bytes that the thread has no room for yet.
    waiting: VecDeque<Bytes>,
    /// Whether no more will come.
    closing: bool,
    sound: mpsc::Receiver<Delivery>,
    outcome: oneshot::Receiver<Result<(), PipeError>>,
}

impl Pulled {
    /// Starts the thread, or says why there is none.
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

    /// Whether more bytes should be read from the network.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.is_empty() && !self.closing
    }

    /// Takes bytes for the thread.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.waiting.push_back(bytes);
        while let Some(sender) = &self.bytes
            && let Ok(room) = sender.try_reserve()
            && let Some(bytes) = self.waiting.pop_front()
        {
            room.send(bytes);
        }
    }

    /// No more bytes will come: the thread ends when it has decoded what came.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// The next sound, or nothing when there is room again; an error when the thread is done, with the reason if it could not
    /// decode all. Safe to drop while it waits.
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

/// The network as the thread reads it; its end is that of the source.
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

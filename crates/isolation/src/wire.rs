//! Encodes messages between parent and child: the length in four bytes, little endian, followed by the message in
//! postcard encoding.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Maximum length of a message in bytes. It is above the maximum address space of a child, so every valid message is
/// shorter. It limits the memory that a defective child can make its parent allocate.
const MAX_MESSAGE_BYTES: u32 = 512 << 20;

/// Writes and reads messages. Keeps its buffers for the next message.
#[derive(Debug, Default)]
pub(crate) struct MessageCodec {
    out: Vec<u8>,
    incoming: Vec<u8>,
}

/// Maximum capacity in bytes of a buffer that is kept for the next message; larger buffers are freed. Segments of
/// streams and chunks of files are smaller. At half this value, buffers for segments of high bit rates are allocated
/// for each message. At twice this value, each child and its parent together keep up to 16 MiB more memory.
const MAX_RETAINED_BYTES: usize = 4 << 20;

impl MessageCodec {
    /// Writes a message to `to`.
    ///
    /// # Errors
    /// Returns errors of `to`, and [`io::ErrorKind::InvalidData`] for a message longer than [`MAX_MESSAGE_BYTES`].
    pub(crate) fn send(&mut self, to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
        self.out.clear();
        // The length is known only after encoding. Four bytes are reserved for it, so that length and message are
        // written in one call.
        self.out.extend_from_slice(&[0; 4]);
        // `to_extend` takes the buffer by value and returns it.
        let out = std::mem::take(&mut self.out);
        self.out = postcard::to_extend(message, out).map_err(invalid)?;
        let length = u32::try_from(self.out.len() - 4).map_err(invalid)?;
        if length > MAX_MESSAGE_BYTES {
            return Err(invalid(format!("message too long: {length} bytes")));
        }
        if let Some(head) = self.out.first_chunk_mut() {
            *head = length.to_le_bytes();
        }
        let sent = to.write_all(&self.out).and_then(|()| to.flush());
        release(&mut self.out);
        sent
    }

    /// Waits for the next message from `from` and returns it. Returns `None` at the end of `from`.
    ///
    /// # Errors
    /// Returns errors of `from`, and [`io::ErrorKind::InvalidData`] for bytes that are not a valid message.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self, from: &mut impl Read) -> io::Result<Option<T>> {
        let mut head = [0; 4];
        match from.read_exact(&mut head) {
            Ok(()) => {}
            // A peer that closes the pipe between two messages has ended regularly. A peer that dies within the four
            // bytes is treated in the same way, because its exit status shows the failure.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = u32::from_le_bytes(head);
        if length > MAX_MESSAGE_BYTES {
            return Err(invalid(format!("message too long: {length} bytes")));
        }
        self.incoming.clear();
        // The buffer grows with the received bytes. The declared length is not trusted.
        let read = from.take(length.into()).read_to_end(&mut self.incoming)?;
        if read < length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let message = postcard::from_bytes(&self.incoming).map_err(invalid);
        release(&mut self.incoming);
        message.map(Some)
    }
}

fn release(buffer: &mut Vec<u8>) {
    if buffer.capacity() > MAX_RETAINED_BYTES {
        *buffer = Vec::new();
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_in_order_until_the_end() {
        let (mut codec, mut bytes) = (MessageCodec::default(), Vec::new());
        codec.send(&mut bytes, &(7u32, "seven")).expect("sent");
        codec.send(&mut bytes, &(8u32, "eight")).expect("sent");
        let mut from = bytes.as_slice();
        assert_eq!(codec.receive(&mut from).expect("received"), Some((7u32, "seven".to_owned())));
        assert_eq!(codec.receive(&mut from).expect("received"), Some((8u32, "eight".to_owned())));
        assert_eq!(codec.receive::<(u32, String)>(&mut from).expect("the end"), None);
    }

    #[test]
    fn cut_and_oversized_messages_are_errors() {
        let (mut codec, mut bytes) = (MessageCodec::default(), Vec::new());
        codec.send(&mut bytes, &"a message").expect("sent");
        let cut = bytes.get(..bytes.len() - 1).expect("it is longer");
        assert!(codec.receive::<String>(&mut &*cut).is_err());
        let huge = [0xFF; 8];
        assert!(codec.receive::<String>(&mut huge.as_slice()).is_err());
    }
}

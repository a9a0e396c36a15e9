//! The connection of a child to its parent, as used by the child.

use std::fs::File;
use std::io::{self, BufReader};

use serde::de::DeserializeOwned;

use crate::protocol::ChildReply;
use crate::wire::MessageCodec;

/// Maximum number of bytes that one system call reads from the parent: the capacity of a pipe in Linux.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// The two pipes between a child and its parent.
pub(crate) struct ParentChannel {
    from: BufReader<File>,
    to: File,
    codec: MessageCodec,
}

impl ParentChannel {
    /// Opens the standard input and output of this process as pipes to the parent. `std::io::Stdout` is not used,
    /// because it would split messages at line feeds and wake the parent for each part.
    pub(crate) fn open() -> io::Result<Self> {
        #[cfg(unix)]
        let (from, to) = {
            use std::os::fd::AsFd;
            (io::stdin().as_fd().try_clone_to_owned()?, io::stdout().as_fd().try_clone_to_owned()?)
        };
        #[cfg(windows)]
        let (from, to) = {
            use std::os::windows::io::AsHandle;
            (io::stdin().as_handle().try_clone_to_owned()?, io::stdout().as_handle().try_clone_to_owned()?)
        };
        let from = BufReader::with_capacity(READ_BUFFER_BYTES, from.into());
        Ok(Self { from, to: to.into(), codec: MessageCodec::default() })
    }

    pub(crate) fn send(&mut self, reply: &ChildReply) -> io::Result<()> {
        self.codec.send(&mut self.to, reply)
    }

    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        self.codec.receive(&mut self.from)
    }
}

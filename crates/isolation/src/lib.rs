//! Decoding of untrusted audio in supervised child processes.
//!
//! Parsers of containers and codecs recurse and allocate by numbers that the input contains. A stack overflow or a
//! failed allocation aborts a process, and no handler in the process can prevent that. So this crate runs them in child
//! processes with limits of address space, stack and processor time. An input that exceeds a limit kills only the
//! child.
//!
//! ```text
//! parent: open_path, open_seekable, open_stream ─► Reader ─┐            child: AudioReader, Fingerprinter
//!         DecoderSession::call ────────────────────────────┼─ pipes ─►         SessionHandler (decoders of streams)
//!         Supervisor: spawns, reads the reason of a death ─┘
//! ```
//!
//! Each file is decoded in its own child, which is reused for the next file. Streams share a fixed number of children,
//! because each stream keeps its decoder between two segments. If such a child dies, the current call fails, and every
//! other stream reopens its decoder from the state that it received with its last result.
//!
//! A program calls [`enable`] at its start. Without that call, as in tests of a library, decoding runs in the process
//! itself.

mod audio;
mod child;
mod limits;
mod lock;
mod parent_channel;
mod protocol;
mod session;
mod shared_child;
mod supervisor;
mod wire;
mod worker;

pub use audio::{Fingerprinted, Reader, open_path, open_seekable, open_stream};
pub use limits::{MAX_MEMORY_BYTES, MAX_STALL_SECONDS};
pub use protocol::CHILD_ARGUMENT;
pub use session::DecoderSession;
pub use shared_child::SessionError;
pub use supervisor::{enable, is_enabled, shut_down};
pub use worker::{SessionHandler, run_child};

//! Decodes untrusted audio in supervised child processes.
//!
//! Parsers of containers and codecs recurse and allocate memory according to numbers in the input. A stack overflow or
//! a failed allocation aborts the whole process, and no error handler can prevent this. So this crate runs parsers and
//! decoders in child processes with limits of address space, stack and processor time. An input that exceeds a limit
//! ends only the child.
//!
//! ```text
//! parent: open_path, open_seekable, open_stream ─► Reader ─┐            child: AudioReader, Fingerprinter
//!         DecoderSession::call ────────────────────────────┼─ pipes ─►         SessionHandler (decoders of streams)
//!         Supervisor: spawns, reads the reason of a death ─┘
//! ```
//!
//! A child decodes one file at a time, and is reused for the next file. Streams share a fixed number of children,
//! because each stream keeps its decoder between two segments. If a shared child dies, the current call returns an
//! error. The next call of each other stream opens its decoder again, in a new child, from the state that the caller
//! has kept.
//!
//! A program must call [`enable`] at its start. Without this call, as in tests of a library, files are decoded in the
//! calling process, without these limits.

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

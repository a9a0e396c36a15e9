//! A web server that can simulate faults, for tests of clients of live streams.
//!
//! [`Origin`] listens on a free port of 127.0.0.1. It serves [`LiveStream`]s, whose playlists it writes for each
//! request from a list of segments and a clock (the real one, or one that a test advances manually), and plain
//! resources. A [`Fault`] makes it fail on given paths, for a given number of requests. It logs all requests.
//! [`encode`] creates segments with ffmpeg, and [`cut`] divides them into parts for Low-Latency HLS.
//!
//! Segments are shared: a thousand streams of the same segments need no more memory than one.

mod body;
mod encode;
mod encrypt;
mod fault;
mod live;
mod options;
mod parts;
mod playlist;
mod progress;
mod response;
mod server;

pub use encode::{Clips, EncodeError, SegmentContainer, encode, pack};
pub use fault::{Fault, Times};
pub use live::{Clip, LiveStream};
pub use options::{Blocking, DateStyle, LiveOptions, Marks};
pub use parts::{cut, encode_fragments, seams};
pub(crate) use playlist::iso;
pub use server::{LoggedRequest, Origin};

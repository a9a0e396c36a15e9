//! A web server with bad manners, for tests of what listens to live streams.
//!
//! [`Origin`] listens on a free port of 127.0.0.1. It serves [`LiveStream`]s, whose playlists it writes for each
//! request from a list of segments and a clock (the real one, or one that a test advances by hand), and plain
//! resources. A [`Fault`] makes it misbehave on chosen paths, a chosen number of times. It writes down what it was
//! asked. Segments come from [`encode`], which calls ffmpeg, and parts of them for Low-Latency HLS from [`cut`].
//!
//! Segments are shared: a thousand streams of the same segments cost no more memory than one.

mod body;
mod encode;
mod fault;
mod live;
mod options;
mod parts;
mod playlist;
mod response;
mod server;
mod told;

pub use encode::{Clips, Container, EncodeError, encode, pack};
pub use fault::{Fault, Times};
pub use live::{Clip, LiveStream};
pub use options::{Blocking, LiveOptions, Marks};
pub use parts::{cut, encode_fragments, seams};
pub use playlist::DateStyle;
pub(crate) use playlist::iso;
pub use server::{Asked, Origin};

//! A web server that can simulate faults, for tests of clients of live streams.
//!
//! [`Origin`] listens on a free port of 127.0.0.1 and logs all requests. It serves plain resources and [`LiveStream`]s.
//! The playlist of a stream is written for each request from a list of segments and a clock, which is the real one or
//! one that a test advances. A [`Fault`] changes the responses of given paths for a given number of requests.
//! [`encode`] creates segments with ffmpeg, and [`cut`] divides them into parts for Low-Latency HLS.
//!
//! Segments are shared: a thousand streams of the same segments need no more memory than one.

mod body;
mod encode;
mod encrypt;
mod fault;
mod live;
mod mp4_edit;
mod options;
mod parts;
mod playlist;
mod progress;
mod request_log;
mod response;
mod rules;
mod sample_aes;
mod server;
mod ts_edit;

pub use encode::{Clips, EncodeError, SegmentContainer, encode, pack};
pub use fault::{Fault, Times};
pub use live::{Clip, LiveStream};
pub use options::{Blocking, DateStyle, LiveOptions, Marks};
pub use parts::{cut, encode_fragments, seams};
pub(crate) use playlist::iso;
pub use request_log::LoggedRequest;
pub use sample_aes::{SampleScheme, encrypt_fragments, encrypt_init, encrypt_packed, encrypt_ts};
pub use server::Origin;
pub use ts_edit::register_ts;

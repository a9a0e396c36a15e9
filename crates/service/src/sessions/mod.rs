//! What live streams and streams of segments have in common. A session is a run of a stream, from its start to its end.

mod end;

pub use end::{EndCode, EndReason};

//! Many live streams followed in one process, each song told while it plays.
//!
//! ```text
//! follow (tokio, one task a stream): source ─► Queue, bounded ─┐
//!                                                              ├─► Pool (threads): the next delivery of each in turn
//! Index: one snapshot for all ─────────────────────────────────┘     StreamWorker: decode ► search
//!                                                                       └─► StreamEvent ─► Reporter ─► Response
//! ```
//!
//! No sound is touched on a thread of tokio. A stream has at most one job at a time and gets behind all others when it is
//! done, so one that is slow, or heavy, delays no other. What a machine cannot keep up with is dropped, oldest first, and
//! stands in the stream as a gap that says so.

mod airings;
mod decode;
mod event;
mod failures;
mod follow;
mod handle;
mod index;
mod invariants;
mod kind;
mod pool;
mod queue;
mod report;
mod search;
mod source;
mod status;
mod stream;
mod worker;

pub use decode::{DecodeError, StreamDecoders};
pub use event::{EventKind, OpenAiring, StreamEvent};
pub use handle::{Monitor, MonitorError, MonitorSettings, StreamHandle};
pub use index::FollowedIndex;
pub use pool::Index;
pub use report::{Reporter, response};
pub use source::{SourceSettings, StreamInput, StreamSpec};
pub use status::{AiringNow, SourceCounters, SourceKind, StreamEnd, StreamState, StreamStatus};
pub use worker::{StageTimes, StreamWorker};

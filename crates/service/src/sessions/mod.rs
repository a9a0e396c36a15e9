//! Leases, tasks and recorders of sessions, for live streams and streams of segments. A session is one broadcast of a
//! stream, from its start to its end.
//!
//! `LeaseKeeper` claims the sessions of one kind, renews their leases and starts a task for each of them, which a
//! `SessionHost` provides. When a session ends, its lease is lost, or the process ends, the keeper sends the task an
//! order or aborts it. The task records the detections of its session with a `Recorder`.

mod dedup;
mod end;
mod host;
mod keeper;
mod leases;
mod order;
mod recorder;
mod redecoded;
mod reported;
mod song;

pub(crate) use dedup::Dedup;
pub use end::{EndCode, EndReason};
pub(crate) use host::{KeeperContext, SessionHost, SessionKind};
pub(crate) use keeper::LeaseKeeper;
pub(crate) use order::{TaskOrder, end_ordered, hand_over_ordered};
pub(crate) use recorder::{EarlierRecords, RecordedSession, Recorder, RecorderContext};
pub(crate) use redecoded::RedecodedDetections;
pub(crate) use reported::ReportedDetections;

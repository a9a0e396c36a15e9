//! Leases, tasks and recorders of sessions, for live streams and streams of segments. A session is one broadcast of a
//! stream, from its start to its end.
//!
//! `LeaseKeeper` claims the sessions of one kind, renews their leases and starts a task for each of them, which a
//! `SessionHost` provides. When a session ends, its lease is lost, or the process ends, the keeper sends the task an
//! order or aborts it. The task takes the changes of its session from a `SessionSource` and stores them with a `Recorder`.

mod end;
mod host;
mod keeper;
mod leases;
mod order;
mod recorder;
mod reported;
mod runner;
mod song;
mod source;

pub use end::{EndCode, EndReason};
pub(crate) use host::{KeeperContext, SessionHost, SessionKind};
pub(crate) use keeper::LeaseKeeper;
pub(crate) use order::{TaskOrder, end_ordered};
pub(crate) use recorder::{EarlierRecords, RecordedSession, Recorder, RecorderContext, read_alerts};
pub(crate) use reported::ReportedDetections;
pub(crate) use runner::run;
pub(crate) use source::{SessionBatch, SessionSource};

//! What live streams and streams of segments have in common. A session is a run of a stream, from its start to its end.
//!
//! [`LeaseKeeper`] claims the sessions of one kind, renews their leases and starts a task for each of them, which a
//! [`SessionHost`] provides. When a session ends, is lost or has to be left, the keeper sends the task an order or aborts it.

mod end;
mod host;
mod keeper;
mod leases;
mod order;

pub use end::{EndCode, EndReason};
pub(crate) use host::{KeeperContext, SessionHost, SessionKind};
pub(crate) use keeper::LeaseKeeper;
pub(crate) use order::{TaskOrder, end_ordered, hand_over_ordered};

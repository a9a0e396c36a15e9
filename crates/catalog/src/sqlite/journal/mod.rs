//! The journal in the file of the catalog. Only one process writes at a time, so claims need no further locks.

mod attempts;
mod backlog;
mod detections;
mod leases;
mod outbox;
mod sessions;
mod streams;

//! Tests of the service through its public interface, with real segments, a real server and composed songs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot continue must fail")]

mod dash;
mod delivery;
mod events;
mod files;
mod memory_cloud;
mod monitor;
mod objects;
mod process;
mod queue_consumer;
mod songs;
mod states;
mod streams;
mod takeover;
mod token;
mod worker;

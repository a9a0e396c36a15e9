//! The service through its public door: real segments, a real server, real songs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod delivery;
mod events;
mod files;
mod intake;
mod monitor;
mod objects;
mod outside;
mod process;
mod songs;
mod streams;
mod takeover;
mod token;
mod worker;

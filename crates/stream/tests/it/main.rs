//! Black-box tests of live sources: one binary, so that it links once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod ear;
mod media;
mod pipe;
mod radio;
mod udp;

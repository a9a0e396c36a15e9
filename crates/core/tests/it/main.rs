//! Black-box tests of the engine: one binary, so that it links once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod ac3;
mod audio;
mod fingerprint;
mod hostile;
mod index;
mod live;
mod matching;
mod melody;
mod picture;
mod songs;

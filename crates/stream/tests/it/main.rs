//! Tests of the sources and of the decoder through the public interface, against local servers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod decode;
mod hls;
mod media;
mod pipe;
mod radio;
mod udp;

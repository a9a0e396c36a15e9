//! The sources and the ear through their public interface, against servers of their own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it is surprised")]

mod ear;
mod hls;
mod media;
mod pipe;
mod radio;
mod udp;

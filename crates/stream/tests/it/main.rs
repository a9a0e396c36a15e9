//! The sources through their public interface, against servers of their own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it is surprised")]

mod hls;

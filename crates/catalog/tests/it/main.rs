//! Tests of the catalog, in one binary to reduce link time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails with a panic")]

mod contract;
mod index_sync;
mod postgres;
mod runs;
mod sqlite;

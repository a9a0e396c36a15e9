//! Tests of the catalogue, in one binary for link time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it is surprised")]

mod contract;
mod library;
mod postgres;
mod sqlite;

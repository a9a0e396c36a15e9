//! Tests of the catalogue, in one binary for link time.

mod contract;
mod library;
mod sqlite;

//! A temporary PostgreSQL server for tests.
//!
//! The server listens on a free port of 127.0.0.1 and stores everything in one temporary folder. A shell process
//! watches the process of the test: when that process ends, even by a signal, the shell stops the server and deletes
//! the folder.

mod error;
mod host;
mod server;

pub use error::PostgresError;
pub use server::{PostgresBuilder, PostgresServer};

//! Errors of the server, and the programs that it runs.

use std::fmt;
use std::io;
use std::process::{Command, Output, Stdio};

/// Error of a server or of a program of PostgreSQL.
#[derive(Debug)]
pub struct PostgresError(pub(super) String);

impl fmt::Display for PostgresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PostgresError {}

/// Runs a program to its end.
///
/// # Errors
/// If it cannot be started, or with its standard error if it fails.
pub(super) fn checked(command: &mut Command) -> Result<Output, PostgresError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(&program, &error))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(PostgresError(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// Returns the error of an operation on `what`.
pub(super) fn failed(what: &str, error: &io::Error) -> PostgresError {
    PostgresError(format!("{what}: {error}"))
}

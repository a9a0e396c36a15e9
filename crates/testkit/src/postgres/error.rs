//! Errors of the temporary server, and a function that runs programs.

use std::fmt;
use std::io;
use std::process::{Command, Output, Stdio};

/// Error of a temporary PostgreSQL server, or of a program that it needs.
#[derive(Debug)]
pub struct PostgresError(pub(super) String);

impl fmt::Display for PostgresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PostgresError {}

/// Runs a program to its end and returns its output.
///
/// # Errors
/// Fails if the program cannot be started, or exits with an error; its standard error is then the text of the error.
pub(super) fn checked(command: &mut Command) -> Result<Output, PostgresError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(&program, &error))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(PostgresError(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// Returns the error of an operation on `what`, which is a program, file or address.
pub(super) fn failed(what: &str, error: &io::Error) -> PostgresError {
    PostgresError(format!("{what}: {error}"))
}

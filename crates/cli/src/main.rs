//! The `refrain` command. The code is in the library of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    refrain::refrain()
}

//! The `identifyStream` command, which replaces the program of the same name.
#![allow(non_snake_case, reason = "the name is that of the program that it replaces")]

use std::process::ExitCode;

fn main() -> ExitCode {
    refrain::identify_stream()
}

//! Fuzz targets for all parsers of untrusted input, and generators of their inputs.
//!
//! A [`Target`] is a function of bytes that must neither panic nor abort, and must end within seconds and a bounded memory.
//! The programs of cargo-fuzz in `fuzz_targets/` run it with libFuzzer; `src/bin/runner` runs it with the inputs of
//! [`Inputs`], which are determined by target, seed and number, so that each of them can be created again.

mod corpus;
pub mod grammar;
mod inputs;
mod limits;
mod mutate;
mod targets;

pub use corpus::Corpus;
pub use inputs::Inputs;
pub use limits::MAX_INPUT_BYTES;
pub use targets::{TARGETS, Target, run, target};

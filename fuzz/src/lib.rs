//! Fuzz targets for every parser of foreign input, and inputs for them.
//!
//! A [`Target`] is a function of bytes that must neither panic nor abort, and must end within seconds and a bounded memory.
//! The programs of cargo-fuzz in `fuzz_targets/` run it with libFuzzer; `src/bin/runner` runs it with the inputs of
//! [`Inputs`], which are determined by target, seed and number, so that each of them can be made again.

mod corpus;
pub mod grammar;
mod inputs;
mod mutate;
mod targets;

pub use corpus::Corpus;
pub use inputs::{Inputs, MAX_INPUT_BYTES};
pub use targets::{TARGETS, Target, run, target};

//! Black-box tests of the real binary.

mod bad_input;
mod demo;
mod identify;
mod index;
mod metadata;
mod output;
mod settings;
mod support;
mod together;
mod tracks;

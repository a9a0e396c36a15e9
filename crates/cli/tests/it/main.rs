//! Black-box tests of the real binary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "an unexpected value fails the test")]

#[cfg(feature = "aws")]
mod aws;
mod bad_input;
mod concurrency;
mod demo;
mod doctor;
mod endurance;
mod identify;
mod identify_stream;
mod identify_url;
mod index;
mod metadata;
mod monitor;
mod outbox;
mod output;
mod plot;
mod postgres;
mod serve;
mod settings;
mod support;
mod tracks;
mod untrusted_input;

//! Black-box tests of the real binary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "an unexpected value fails the test")]

#[cfg(feature = "aws")]
mod aws;
mod bad_input;
mod concurrency;
mod demo;
mod doctor;
#[cfg(unix)]
mod documents;
mod endurance;
mod generate;
mod identify;
mod identify_stream;
mod identify_url;
mod index;
mod index_cache;
mod metadata;
mod monitor;
mod other_protocols;
mod outbox;
mod output;
mod plot;
mod postgres;
mod serve;
mod settings;
mod stage;
mod support;
mod tracks;
mod untrusted_input;

//! Tests of the AWS clients with moto and with simulated servers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an unexpected value fails the test"
)]

mod answers;
mod broken;
mod channels;
mod environment;
mod objects;
mod queues;
mod setup;
mod topics;

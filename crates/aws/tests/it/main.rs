//! Tests of the AWS clients with moto and with simulated servers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an unexpected value fails the test"
)]

mod channels;
mod environment;
mod faulty_stores;
mod objects;
mod queues;
mod responses;
mod setup;
mod topics;

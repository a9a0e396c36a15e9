//! What the service asks of AWS, asked of moto and of stand-ins.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where it is surprised"
)]

mod answers;
mod broken;
mod channels;
mod environment;
mod objects;
mod queues;
mod setup;
mod topics;

//! A stand-in for the API of IVS, of which moto has no streams: GetStream, ListStreams and GetChannel.
//!
//! [`Ivs`] listens on a free port of 127.0.0.1. A test says what channels there are and what they send, makes the API
//! misbehave ([`Trouble`]), and counts the calls. Answers and errors have the shapes of the IVS API Reference: errors
//! carry the header `x-amzn-ErrorType` and a body `{"exceptionMessage"}`.

mod answer;
mod server;
mod state;

pub use answer::Trouble;
pub use server::Ivs;

//! A simulated API of Amazon IVS (Interactive Video Service) with the calls GetStream, ListStreams and GetChannel. The
//! AWS simulator moto does not simulate streams of IVS.
//!
//! [`Ivs`] listens on a free port of 127.0.0.1. A test defines channels and their streams, simulates failures
//! ([`IvsFault`]), and counts the calls. Responses and errors have the format of the IVS API Reference: errors have the
//! header `x-amzn-ErrorType` and a body `{"exceptionMessage": …}`.

mod reply;
mod server;
mod state;

pub use reply::IvsFault;
pub use server::Ivs;

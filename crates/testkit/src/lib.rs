//! Synthetic songs, audio effects and test servers.
//!
//! Tests, benches and `refrain demo` need music without copyright. [`composer`] generates it: [`compose`] turns a seed
//! into a song with harmony, melody, bass, drums and its own instruments. [`effects`] simulates recording conditions:
//! noise, chatter, telephones, rooms, wrong speeds, cross-fades. [`write_wav`] writes the result to a file.
//!
//! **Deterministic.** The same seed gives the same bits on every machine: samples are computed with
//! IEEE 754 addition, multiplication, division and square root only, never with the platform's `sin`,
//! `exp` or `pow`, and random numbers come from this crate's own generator. Golden hashes in the tests
//! verify this.
//!
//! [`origin`] serves segments as live streams over HTTP, with faults on request.
//!
//! [`channels`] simulates the IVS API.
//!
//! [`PostgresServer`] and [`Moto`] start installed programs as temporary servers, for tests of clients of PostgreSQL
//! and AWS.
//!
//! All audio has a sample rate of 44.1 kHz ([`RATE`]). Samples are normally within ±1.

pub mod channels;
pub mod composer;
mod dsp;
pub mod effects;
mod math;
#[cfg(unix)]
mod moto;
pub mod origin;
#[cfg(unix)]
mod postgres;
mod rng;
mod wav;

pub use composer::{Key, Mode, Song, SongSection, StereoSong, compose, compose_stereo};
#[cfg(unix)]
pub use moto::{AccessKey, Moto, MotoError};
#[cfg(unix)]
pub use postgres::{PostgresBuilder, PostgresError, PostgresServer};
pub use wav::{WavEncoding, WavError, write_wav, write_wav_stereo};

/// Sample rate of all audio of this crate, in Hz.
pub const RATE: u32 = 44_100;

/// [`RATE`] as a floating-point number.
pub(crate) const RATE_F: f64 = 44_100.0;

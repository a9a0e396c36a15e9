//! Songs nobody owns, and damage on demand.
//!
//! Tests, benches and `refrain demo` need music, and music belongs to people. [`composer`] writes its
//! own: [`compose`] turns a seed into a song with harmony, melody, bass, drums and its own instruments.
//! [`effects`] does to a song what the world does: noise, chatter, telephones, rooms, wrong speeds,
//! cross-fades. [`write_wav`] puts the result into a file.
//!
//! **Deterministic.** The same seed gives the same bits on every machine: samples are computed with
//! IEEE 754 addition, multiplication, division and square root only, never with the platform's `sin`,
//! `exp` or `pow`, and random numbers come from this crate's own generator. Golden hashes in the tests
//! hold that.
//!
//! [`origin`] serves segments as live streams over HTTP, well and badly.
//!
//! [`channels`] stands in for the API of IVS.
//!
//! Unlike the songs, [`PostgresServer`] and [`Moto`] are not of our making: temporary servers for tests of what talks to
//! PostgreSQL and to AWS.
//!
//! All audio is 44.1 kHz ([`RATE`]), nominally within ±1.

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

pub use composer::{Key, Mode, Section, Song, StereoSong, compose, compose_stereo};
#[cfg(unix)]
pub use moto::{AccessKey, Moto, MotoError};
#[cfg(unix)]
pub use postgres::{PostgresBuilder, PostgresError, PostgresServer};
pub use wav::{WavEncoding, WavError, write_wav, write_wav_stereo};

/// Samples per second of everything this crate makes.
pub const RATE: u32 = 44_100;

/// [`RATE`] where formulas need it.
pub(crate) const RATE_F: f64 = 44_100.0;

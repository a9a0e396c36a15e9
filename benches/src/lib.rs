//! Code that the benches share: synthetic constellations with the statistics of music, and their measurement; clocks; music
//! from files; child processes; programmes (sequences of songs); and scores of their detection.

pub mod broadcast;
pub mod clock;
pub mod music;
pub mod processes;
pub mod score;
pub mod statistics;
pub mod synthetic;

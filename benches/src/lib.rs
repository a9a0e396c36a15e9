//! What the benches share: constellations drawn with the statistics of music, measures of them, clocks, and music from files.

pub mod clock;
pub mod music;
pub mod statistics;
pub mod synthetic;

//! What the benches share: constellations drawn with the statistics of music, measures of them, and clocks.

pub mod clock;
pub mod statistics;
pub mod synthetic;

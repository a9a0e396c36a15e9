//! What the benches share: constellations drawn with the statistics of music, measures of them, clocks, music from
//! files, programmes of it, and how well one was heard.

pub mod clock;
pub mod music;
pub mod programme;
pub mod score;
pub mod statistics;
pub mod synthetic;

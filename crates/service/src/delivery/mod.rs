//! From what was heard to everybody who wants to know: written down first, then delivered until it succeeds.

mod plan;

pub use plan::{News, Planner, SongNow};

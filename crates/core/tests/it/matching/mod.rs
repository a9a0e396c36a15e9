//! Properties of matching, tested with composed songs.

mod clips;
mod copies;
mod degraded;
mod no_match;
mod splices;
mod timeline;

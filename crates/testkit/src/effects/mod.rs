//! What the world does to a song.
pub(crate) mod room;

//! Laws of matching, on composed songs.

mod clips;
mod damage;
mod nothing;
mod timeline;

//! Laws of matching, on composed songs.

mod clips;
mod copies;
mod damage;
mod nothing;
mod splices;
mod timeline;

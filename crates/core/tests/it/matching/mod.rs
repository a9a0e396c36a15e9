//! Properties of matching, tested with composed songs.

mod clips;
mod copies;
mod damage;
mod nothing;
mod splices;
mod timeline;

//! Decoding, identification and indexing of complete files, read from disk or from S3 objects. The commands and the
//! service share this code.

mod damage;
mod decode;
mod identification;
mod index_file;
mod near_duplicates;

pub use damage::{damage, failure_code, format_duration};
pub use decode::limits;
pub use identification::{Identification, song_name};
pub use index_file::{IndexedTrack, NothingToIndex, index_file, relabelled};
pub use near_duplicates::{is_near_duplicate, shared_audio};
pub use refrain_isolation::Fingerprinted;

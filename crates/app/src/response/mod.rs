//! The JSON response, with its fields in the order of `identifyStream`, and the files that contain responses.
//!
//! The public documentation of identifyStream shows the fields `statusCode` to `metadata`. `evidence` and all other
//! fields are extensions of this program.

mod body;
mod complete_file;
mod files;
mod name;
mod number;
mod response_match;
mod track_fields;

pub use body::Response;
pub use complete_file::create_complete;
pub use files::advice;
pub use files::{FileError, ResponseFolder};
pub use name::file_name;
pub use name::safe_name;
pub use response_match::ResponseMatch;
pub use track_fields::{ResponseMetadata, am_item_id};

/// Status of a response with at least one match, as in identifyStream.
pub const FOUND: u16 = 2006;
/// Status of a response without a match. Unlike 2006, this code and those below are extensions of this program.
pub const NOT_FOUND: u16 = 2005;
/// Status of an input that could not be read.
pub const UNREADABLE: u16 = 2900;
/// Status of an input without audio that can be decoded.
pub const NOT_AUDIO: u16 = 2901;
/// Status of an input that exceeds a size limit or a resource limit.
pub const OVER_LIMIT: u16 = 2902;
/// Status of an input that could not be processed because the catalog, its index or this program failed.
pub const INTERNAL: u16 = 2909;

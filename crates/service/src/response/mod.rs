//! The JSON response, field by field in the order that `identifyStream` writes, and the files that responses become.
//!
//! What identifyStream's public documentation shows is `statusCode` to `metadata`. `evidence` and whatever else it does
//! not show are ours.

mod answer;
mod complete;
mod facts;
mod files;
mod name;
mod number;

pub use answer::{Heard, Response, ResponseMatch};
pub(crate) use complete::create_complete;
pub use facts::{ResponseMetadata, am_item_id};
pub(crate) use files::advice;
pub use files::{FileError, ResponseFolder};
pub use name::file_name;
pub(crate) use name::safe_name;

/// Status of a response with a match; identifyStream's.
pub const FOUND: u16 = 2006;
/// No match; this number and all that follow are ours.
pub const NOT_FOUND: u16 = 2005;
/// The operating system would not let us read.
pub const UNREADABLE: u16 = 2900;
/// No audio that can be decoded.
pub const NOT_AUDIO: u16 = 2901;
/// More than the limits allow.
pub const OVER_LIMIT: u16 = 2902;
/// The catalogue or its index failed, or we did.
pub const INTERNAL: u16 = 2909;

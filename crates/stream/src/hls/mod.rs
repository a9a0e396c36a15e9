//! HLS, live and recorded.

pub mod playlist;

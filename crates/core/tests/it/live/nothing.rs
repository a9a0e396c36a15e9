//! How a stream is cut changes nothing.

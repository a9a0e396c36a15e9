//! The sources through their public interface, against servers of their own.

mod hls;

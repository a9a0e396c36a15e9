//! Test support of Refrain.

//! Limits of inputs.

/// Maximum size of an input in bytes. A nesting that overflowed a stack needed 73 kB.
pub const MAX_INPUT_BYTES: usize = 128 << 10;

//! Decoding: any file or packet stream to 44.1 kHz mono.

/// Sample rate of everything behind the decoder, in hertz.
pub const SAMPLE_RATE: u32 = 44_100;

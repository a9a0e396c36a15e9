//! Black-box tests of the engine: one binary, so that it links once.

mod audio;
mod hostile;
mod melody;

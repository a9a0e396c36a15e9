//! Any bytes as a chain of segments and whatever else a source gives.
#![no_main]

#[path = "../../crates/stream/tests/it/ear/chain.rs"]
mod chain;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| chain::hear(chain::parse(bytes)));

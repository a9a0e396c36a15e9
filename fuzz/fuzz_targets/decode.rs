//! Any bytes as an audio stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refrain_core::audio::{AudioReader, Limits};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_seconds: 30.0, ..Limits::default() };
    let source = Box::new(std::io::Cursor::new(bytes.to_vec()));
    let Ok(mut reader) = AudioReader::from_source(source, "fuzz", &limits) else { return };
    let mut samples = 0;
    while let Ok(Some(chunk)) = reader.next_chunk() {
        assert!(chunk.iter().all(|sample| sample.is_finite()));
        samples += chunk.len();
    }
    assert!(samples as f64 / 44_100.0 <= limits.max_seconds);
});

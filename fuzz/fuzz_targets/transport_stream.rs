//! Any bytes as a transport stream, cut in two ways. The first byte says how.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refrain_core::audio::ts::{AudioFrame, TsDemuxer};

fn demux(bytes: &[u8], cut: usize) -> Vec<AudioFrame> {
    let (mut demuxer, mut frames) = (TsDemuxer::new(), Vec::new());
    for chunk in bytes.chunks(cut) {
        demuxer.push(chunk);
        frames.extend(std::iter::from_fn(|| demuxer.next_frame()));
    }
    demuxer.finish();
    frames.extend(std::iter::from_fn(|| demuxer.next_frame()));
    frames
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&cut, rest)) = bytes.split_first() else { return };
    assert!(demux(rest, usize::from(cut) + 1) == demux(rest, usize::MAX));
});

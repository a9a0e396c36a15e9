//! Measured blocks of decoded streams.

use refrain_stream::{DecoderSettings, Delivery, HealthBlock, StreamDecoder};

/// Decodes pieces of a stream without segments, and returns the measured blocks and the end of the audio in samples.
fn measure(pieces: &[Vec<u8>]) -> (Vec<HealthBlock>, u64) {
    let mut decoder = StreamDecoder::new(DecoderSettings { wall_clock: || 1_600_000_000.0 });
    decoder.measure_health();
    let mut blocks = Vec::new();
    for piece in pieces {
        decoder.process(Delivery::Bytes(piece.clone().into()), |_| {});
        decoder.take_health(&mut blocks);
    }
    (blocks, decoder.position())
}

/// Two seconds of stereo AAC.
fn aac() -> Vec<u8> {
    std::fs::read("../../testdata/audio/adts.aac").unwrap()
}

#[test]
fn blocks_have_the_channels_before_mixing_and_their_positions() {
    let (blocks, end) = measure(&[aac()]);
    assert!((19..=21).contains(&blocks.len()), "{}", blocks.len());
    for (n, block) in blocks.iter().enumerate() {
        let expected = (n as u64 + 1) * 4_410;
        // A position is the end of a frame, which has up to 2,048 samples.
        assert!(
            (expected..expected + 2_100).contains(&block.position) && block.position <= end,
            "{n}: {block:?}"
        );
        assert!(block.peak > 0.0 && block.max_power > 0.0 && block.weighted_power > 0.0, "{block:?}");
    }
    let all: std::collections::BTreeSet<_> =
        blocks.iter().map(|block| (block.rate, block.channels)).collect();
    assert_eq!(all.len(), 1, "{all:?}");
}

#[test]
fn encoded_audio_that_repeats_is_found() {
    let (blocks, _) = measure(&vec![aac(); 10]);
    let last = blocks.last().unwrap();
    assert!((16.0..19.0).contains(&last.repeated_seconds), "{last:?}");
    assert!((1.9..2.1).contains(&last.period_seconds), "{last:?}");
    let (once, _) = measure(&[aac()]);
    assert_eq!(once.last().unwrap().repeated_seconds, 0.0);
}

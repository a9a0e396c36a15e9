//! Parses arbitrary bytes as a chain of deliveries and checks the invariants of the decoder's output for it. The fuzz
//! target `decoder` and the property tests of [`super::malformed`] share this module.

use std::sync::Arc;

use refrain_stream::{
    DecoderSettings, Delivery, Gap, GapReason, HlsSegment, InitSection, LiveAudio, LiveChunk, Media,
    StreamDecoder,
};

/// Upper bound of the samples at 44.1 kHz that a frame of any codec decodes to. The largest known frame has 4,608
/// samples of MPEG-4 lossless at 8 kHz, which are 25,402 at 44.1 kHz; the bound is about twice that.
const MAX_FRAME_SAMPLES: u64 = 50_000;

/// Maximum number of samples in one output item: the decoder must not accumulate its output.
const MAX_OUTPUT_SAMPLES: usize = 16 * 50_000;

/// Parses deliveries. Each has one byte for its kind, two for its length, three for numbers, then its bytes.
pub(super) fn parse(bytes: &[u8]) -> Vec<Delivery> {
    let (mut chain, mut rest, mut init) = (Vec::new(), bytes, None);
    while let [kind, low, high, a, b, c, ref body @ ..] = *rest {
        let length = usize::from(u16::from_le_bytes([low, high])).min(body.len());
        let (body, behind) = body.split_at(length);
        rest = behind;
        let seconds = number(a);
        chain.push(match kind & 7 {
            0..=3 => {
                if kind & 8 != 0 {
                    init = Some(Arc::new(InitSection { bytes: body.to_vec().into() }));
                    continue;
                }
                Delivery::HlsSegment(HlsSegment {
                    bytes: body.to_vec().into(),
                    init: init.clone(),
                    sequence: chain.len() as u64,
                    seconds,
                    rendition: u64::from(a >> 7),
                    discontinuity: kind & 0x10 != 0,
                    program_date_time: (kind & 0x20 != 0).then(|| number(b)),
                    first_listed: number(c),
                    backlog: Some(0.0),
                    ad: kind & 0x40 != 0,
                    part: kind & 0x80 != 0,
                })
            }
            4 if kind & 8 != 0 => {
                let samples = || body.iter().map(|sample| f32::from(*sample) / 256.0).collect();
                let bytes = || LiveAudio::Bytes(body.to_vec().into());
                let audio = if kind & 0x10 != 0 { LiveAudio::Samples(samples()) } else { bytes() };
                Delivery::Live(LiveChunk { arrived: number(b), audio })
            }
            4 => Delivery::Bytes(body.to_vec().into()),
            5 => {
                let reason = GapReason::ALL[usize::from(b) % GapReason::ALL.len()];
                Delivery::Gap(Gap { seconds, reason, program_date_time: (c < 128).then(|| number(c)) })
            }
            6 => Delivery::Title(String::from_utf8_lossy(body).into_owned()),
            _ if kind & 8 != 0 => Delivery::Reconnected,
            _ => Delivery::Decoded(
                body.chunks_exact(2).map(|pair| f32::from(pair[0]) - f32::from(pair[1])).collect(),
            ),
        });
    }
    chain
}

/// Maps a byte to a time or length: plausible, extreme or not a number.
fn number(byte: u8) -> f64 {
    match byte {
        0..=199 => f64::from(byte) / 10.0,
        200..=229 => 1.7e9 + f64::from(byte),
        230..=239 => -f64::from(byte) * 1e6,
        240..=245 => f64::MAX,
        246..=250 => f64::NEG_INFINITY,
        _ => f64::NAN,
    }
}

/// Decodes a chain and asserts that the output is in order, finite, and not longer than its input can contain.
pub(super) fn process(chain: Vec<Delivery>) {
    let max_frames: usize = chain.iter().map(size).sum();
    let mut decoder = StreamDecoder::new(DecoderSettings { wall_clock: || 1.6e9 });
    let (mut position, mut epoch, mut samples) = (0, f64::MIN, 0);
    let mut check = |sound: refrain_stream::Sound<'_>| {
        assert_eq!(sound.position, position, "output items must be contiguous");
        assert!(sound.epoch.is_finite() && sound.epoch >= epoch, "{} after {epoch}", sound.epoch);
        assert!(sound.length() > 0);
        epoch = sound.epoch;
        position += sound.length();
        if let Media::Samples(decoded) = sound.media {
            assert!(decoded.len() <= MAX_OUTPUT_SAMPLES && decoded.iter().all(|sample| sample.is_finite()));
            samples += decoded.len() as u64;
        }
    };
    for delivery in chain {
        decoder.process(delivery, &mut check);
    }
    decoder.finish(&mut check);
    let frames = decoder.report().frames;
    assert!(frames <= max_frames as u64, "{frames} frames in {max_frames} bytes");
    assert!(
        samples <= (frames + 1) * MAX_FRAME_SAMPLES + max_frames as u64,
        "{samples} samples of {frames} frames"
    );
}

fn size(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::HlsSegment(segment) => {
            segment.bytes.len() + segment.init.as_ref().map_or(0, |init| init.bytes.len())
        }
        Delivery::Bytes(bytes) => bytes.len(),
        Delivery::Decoded(sound) => sound.len(),
        Delivery::Live(chunk) => match &chunk.audio {
            LiveAudio::Bytes(bytes) => bytes.len(),
            LiveAudio::Samples(samples) => samples.len(),
        },
        Delivery::Title(_) | Delivery::Gap(_) | Delivery::Reconnected => 0,
    }
}

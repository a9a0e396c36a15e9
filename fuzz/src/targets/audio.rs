//! Targets for containers and codecs.

use std::io::Cursor;

use refrain_core::audio::ts::{AudioCoding, AudioFrame, FrameSplitter, TsDemuxer};
use refrain_core::audio::{Limits, LiveDecoder, SAMPLE_RATE};
use refrain_isolation::open_stream;

use crate::grammar::{frames, ogg};

/// Maximum length of decoded audio in seconds.
const MAX_SECONDS: f64 = 30.0;

/// Size in bytes of the frames that are passed to the decoder after the header of an MP4 file.
const FRAME: usize = 512;

/// Decodes a file or a stream.
pub(super) fn decode(bytes: &[u8]) {
    let limits = Limits { max_seconds: MAX_SECONDS, ..Limits::default() };
    // If the runner has enabled it, this decodes in a child process with limits, as the program does.
    let opened = open_stream(Box::new(Cursor::new(bytes.to_vec())), "fuzz", &limits);
    let Ok(mut reader) = opened else { return };
    let mut samples = 0;
    while let Ok(Some(chunk)) = reader.next_chunk() {
        assert!(chunk.iter().all(|sample| sample.is_finite()), "a sample is not finite");
        samples += chunk.len();
    }
    assert!(samples as f64 / f64::from(SAMPLE_RATE) <= MAX_SECONDS, "the limit of the length is exceeded");
}

/// Decodes an Ogg file with right checksums. The input is the codec and the packets, see [`ogg::pages`].
pub(super) fn ogg_header(bytes: &[u8]) {
    decode(&ogg::pages(bytes));
}

/// Reads the header of a fragmented MP4 file, and decodes frames with it.
pub(super) fn mp4_init(bytes: &[u8]) {
    let mut decoder = LiveDecoder::new();
    if decoder.use_mp4(bytes).is_err() {
        return;
    }
    for frame in bytes.chunks(FRAME).take(16) {
        // Errors are ignored: undecodable frames are valid, and the target only checks for panics and aborts.
        let _ = decoder.decode(frame);
        assert!(decoder.ready().iter().all(|sample| sample.is_finite()), "a sample is not finite");
        decoder.clear();
    }
    decoder.finish();
}

/// Decodes frames of AC-3 and E-AC-3, with corrected checksums.
pub(super) fn ac3(bytes: &[u8]) {
    let mut splitter = FrameSplitter::new(AudioCoding::Ac3);
    splitter.push(bytes, None);
    splitter.finish();
    let mut decoder = LiveDecoder::new();
    for mut frame in std::iter::from_fn(|| splitter.next_frame()).take(64) {
        frames::correct_checksum(&mut frame.data);
        decoder.use_frames(frame.format).expect("the format is supported");
        // Errors are ignored: undecodable frames are valid.
        let _ = decoder.decode(&frame.data);
        // `LiveDecoder` catches panics, and has no decoder afterwards.
        assert!(decoder.is_open(), "the decoder panicked");
        assert!(decoder.ready().iter().all(|sample| sample.is_finite()), "a sample is not finite");
        decoder.clear();
    }
}

/// Demultiplexes a transport stream in two ways, which must give the same frames. The first byte is the length of pieces.
pub(super) fn transport_stream(bytes: &[u8]) {
    let Some((&cut, rest)) = bytes.split_first() else { return };
    assert!(demux(rest, usize::from(cut) + 1) == demux(rest, usize::MAX), "frames depend on the pieces");
}

/// Splits an elementary stream into frames in two ways, which must give the same frames, and decodes them. The first byte
/// is the coding, the second one the length of pieces.
pub(super) fn elementary_stream(bytes: &[u8]) {
    let &[coding, cut, ref rest @ ..] = bytes else { return };
    let codings =
        [AudioCoding::Adts, AudioCoding::Latm, AudioCoding::Mpeg, AudioCoding::Opus, AudioCoding::Flac];
    let coding = codings[usize::from(coding) % codings.len()];
    let frames = split(coding, rest, usize::MAX);
    assert!(split(coding, rest, usize::from(cut) + 1) == frames, "frames depend on the pieces");
    let mut decoder = LiveDecoder::new();
    for frame in frames.iter().take(64) {
        // Errors are ignored: undecodable frames are valid, and the target only checks for panics and aborts.
        let _ = decoder.use_frames(frame.format).and_then(|_| decoder.decode(&frame.data));
        assert!(decoder.ready().iter().all(|sample| sample.is_finite()), "a sample is not finite");
        decoder.clear();
    }
}

fn split(coding: AudioCoding, bytes: &[u8], cut: usize) -> Vec<AudioFrame> {
    let (mut splitter, mut frames) = (FrameSplitter::new(coding), Vec::new());
    for chunk in bytes.chunks(cut) {
        splitter.push(chunk, None);
        frames.extend(std::iter::from_fn(|| splitter.next_frame()));
    }
    splitter.finish();
    frames.extend(std::iter::from_fn(|| splitter.next_frame()));
    frames
}

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

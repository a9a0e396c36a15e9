use super::*;

/// Returns an ADTS frame of 44.1 kHz stereo with this body.
fn frame(body: &[u8]) -> Vec<u8> {
    let length = 7 + body.len();
    let sizes = [0x80 | (length >> 11) as u8, (length >> 3) as u8, (length << 5) as u8 | 0x1F];
    [&[0xFF, 0xF1, 0x50], &sizes[..], &[0xFC], body].concat()
}

fn split(pushes: &[(&[u8], Option<u64>)]) -> Vec<(Vec<u8>, Option<u64>, bool)> {
    let mut splitter = FrameSplitter::new(AudioCoding::Adts);
    pushes.iter().for_each(|(bytes, pts)| splitter.push(bytes, *pts));
    splitter.finish();
    std::iter::from_fn(|| splitter.next_frame()).map(|f| (f.data, f.pts, f.after_gap)).collect()
}

#[test]
fn stamps_belong_to_the_first_frame_that_begins_after_them() {
    let bytes: Vec<u8> = (1..=4).flat_map(|i| frame(&[i; 20])).collect();
    let (a, b) = bytes.split_at(40); // within the second frame
    let frames = split(&[(a, Some(PTS_WRAP - 1_000)), (b, Some(5_000))]);
    let stamps: Vec<_> = frames.iter().map(|f| f.1).collect();
    assert_eq!(stamps, [Some(PTS_WRAP - 1_000), Some(1_089), Some(5_000), Some(7_089)]);
    assert!(frames.iter().zip(1..).all(|(f, i)| f.0 == [i; 20] && !f.2));
}

#[test]
fn sniff_distinguishes_frames_from_noise() {
    let adts: Vec<u8> = (1..=9).flat_map(|i| frame(&[i; 200])).collect();
    assert_eq!(FrameSplitter::sniff(&adts[40..]), Some(AudioCoding::Adts));
    assert_eq!(FrameSplitter::sniff(&adts[..207]), Some(AudioCoding::Adts));
    let mpeg = [&[0xFF, 0xFB, 0x90, 0x00][..], &[7; 413]].concat().repeat(5);
    assert_eq!(FrameSplitter::sniff(&mpeg[100..]), Some(AudioCoding::Mpeg));
    let noise: Vec<u8> = (0..40_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_eq!(FrameSplitter::sniff(&noise), None);
    assert_eq!(FrameSplitter::sniff(b"<html><body>404</body></html>"), None);
    assert_eq!(FrameSplitter::sniff(b""), None);
}

#[test]
fn damage_affects_only_the_frame_that_it_touches() {
    let mut bytes: Vec<u8> = (1..=5).flat_map(|i| frame(&[i; 20])).collect();
    bytes[27 * 2] = 0; // the third frame's header
    let frames = split(&[(&bytes, Some(0))]);
    assert_eq!(frames.iter().map(|f| f.0[0]).collect::<Vec<_>>(), [1, 2, 4, 5]);
    assert_eq!(
        frames.iter().map(|f| (f.1.is_some(), f.2)).collect::<Vec<_>>(),
        [(true, false), (true, false), (false, true), (false, false)]
    );
    let cut = split(&[(&bytes[..27 * 2 - 1], None)]);
    assert_eq!(cut.len(), 1, "an incomplete frame is not returned");
}

#[test]
fn sniff_recognizes_frames_of_silence() {
    // LC, 48 kHz, mono, 11 bytes: as an encoder writes digital silence.
    let frame = [0xFF, 0xF1, 0x4C, 0x40, 0x01, 0x7F, 0xFC, 0x01, 0x18, 0x20, 0x07];
    assert_eq!(FrameSplitter::sniff(&frame.repeat(90)), Some(AudioCoding::Adts));
    assert_eq!(FrameSplitter::sniff(&[0x55; 990]), None);
}

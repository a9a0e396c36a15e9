//! SAMPLE-AES and SAMPLE-AES-CTR with a key from the playlist.

use refrain_stream::GapReason;
use refrain_testkit::origin::{
    Fault, Marks, SampleScheme, SegmentContainer, Times, encode, encrypt_fragments, encrypt_init,
    encrypt_packed, encrypt_ts,
};

use super::*;
use crate::decode::{assert_same, process};
use crate::media::MediaFiles;

const KEY: [u8; 16] = *b"key of the tests";
const IV: [u8; 16] = [0xA5; 16];
const IV_TEXT: &str = "0xa5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";

/// Returns the deliveries of a recording of `clips`, before which the playlist has the line `key`.
async fn deliveries(
    clips: Vec<Clip>,
    init: Option<Bytes>,
    extension: &'static str,
    key: &str,
) -> Vec<Delivery> {
    let mut options = LiveOptions { kind: Some("VOD"), end: true, ..LiveOptions::default() };
    options.marks.insert(0, Marks { lines: vec![key.to_owned()], ..Marks::default() });
    let live = LiveStream::manual(clips.clone(), clips.len() as u64, options).init(init).extension(extension);
    let origin = origin().await;
    let url = origin.live("/a", &live);
    origin.fault("/a/key", Fault::Instead(Bytes::from_static(&KEY)), Times::Always);
    rest(&mut open(&url)).await
}

fn bytes(deliveries: &[Delivery]) -> Vec<Bytes> {
    let bytes = |delivery: &Delivery| match delivery {
        Delivery::HlsSegment(segment) => segment.bytes.clone(),
        other => panic!("expected a segment, got {other:?}"),
    };
    deliveries.iter().map(bytes).collect()
}

/// A file with four seconds of a song.
fn song(folder: &tempfile::TempDir) -> std::path::PathBuf {
    let path = folder.path().join("song.wav");
    let song = refrain_testkit::compose_stereo(5, 4.0);
    let encoding = refrain_testkit::WavEncoding::Int16;
    refrain_testkit::write_wav_stereo(&path, &song.left, &song.right, 44_100, encoding).unwrap();
    path
}

fn changed(clips: &[Clip], change: impl Fn(usize, &[u8]) -> Vec<u8>) -> Vec<Clip> {
    let clip =
        |(index, clip): (usize, &Clip)| Clip { bytes: change(index, &clip.bytes).into(), ..clip.clone() };
    clips.iter().enumerate().map(clip).collect()
}

#[tokio::test]
async fn frames_of_transport_streams_and_packed_audio_are_decrypted() {
    let folder = tempfile::tempdir().unwrap();
    let wav = song(&folder);
    for container in [SegmentContainer::Ts, SegmentContainer::Packed] {
        let clips = encode(&wav, container, 1.5).unwrap().clips;
        let encrypt = |bytes: &[u8], iv: [u8; 16]| match container {
            SegmentContainer::Ts => encrypt_ts(bytes, KEY, iv),
            _ => encrypt_packed(bytes, KEY, iv),
        };
        let clear: Vec<Bytes> = clips.iter().map(|clip| clip.bytes.clone()).collect();
        let encrypted = changed(&clips, |_, bytes| encrypt(bytes, IV));
        assert!(encrypted.iter().zip(&clear).all(|(clip, clear)| clip.bytes != clear));
        let line = format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"key\",IV={IV_TEXT},KEYFORMAT=\"identity\"");
        let got = deliveries(encrypted, None, container.extension(), &line).await;
        assert_eq!(bytes(&got), clear, "{container:?}");
        // Without an IV, it is the media sequence number.
        let encrypted = changed(&clips, |index, bytes| encrypt(bytes, u128::to_be_bytes(index as u128)));
        let line = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"key\"";
        assert_eq!(bytes(&deliveries(encrypted, None, container.extension(), line).await), clear);
    }
}

#[tokio::test]
async fn frames_of_ac3_are_decrypted() {
    let files = MediaFiles::new(6, 2.0);
    for codec in ["ac3", "eac3"] {
        files.ffmpeg(&format!("-i song.wav -c:a {codec} -b:a 192k -ar 48000 {codec}.ts"));
        let clear = files.read(&format!("{codec}.ts"));
        let clips = vec![Clip { bytes: encrypt_ts(&clear, KEY, IV).into(), seconds: 2.0 }];
        let line = format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"key\",IV={IV_TEXT}");
        let got = deliveries(clips, None, "ts", &line).await;
        assert_eq!(bytes(&got), [clear], "{codec}");
    }
}

#[tokio::test]
async fn samples_of_mp4_fragments_are_decrypted() {
    let folder = tempfile::tempdir().unwrap();
    let made = encode(&song(&folder), SegmentContainer::Fmp4, 1.5).unwrap();
    let clear_init = made.init.unwrap();
    let clear =
        deliveries(made.clips.clone(), Some(clear_init.clone()), "m4s", "#EXT-X-KEY:METHOD=NONE").await;
    let expected = process(clear);
    assert!(expected.sound.len() > 3 * 44_100);
    for (scheme, method) in [(SampleScheme::Cbcs, "SAMPLE-AES"), (SampleScheme::Cenc, "SAMPLE-AES-CTR")] {
        let init = Bytes::from(encrypt_init(&clear_init, scheme, IV));
        let clips = changed(&made.clips, |_, bytes| encrypt_fragments(bytes, scheme, KEY, IV));
        let line = format!("#EXT-X-KEY:METHOD={method},URI=\"key\",IV={IV_TEXT}");
        let got = deliveries(clips, Some(init), "m4s", &line).await;
        let sections: Vec<_> = got
            .iter()
            .filter_map(|delivery| match delivery {
                Delivery::HlsSegment(segment) => segment.init.clone(),
                _ => None,
            })
            .collect();
        assert!(sections.iter().all(|section| std::sync::Arc::ptr_eq(section, &sections[0])));
        let decoded = process(got);
        assert_eq!((decoded.gaps.len(), decoded.report.decode_errors), (0, 0), "{method}");
        assert_same(&decoded.sound, &expected.sound);
    }
}

#[tokio::test]
async fn damaged_segments_are_unreadable_gaps_or_damaged_audio() {
    let folder = tempfile::tempdir().unwrap();
    let wav = song(&folder);
    let mut random = 1_u64;
    let mut damage = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        for _ in 0..60 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 33) as usize % bytes.len();
            bytes[at] ^= (random >> 20) as u8;
        }
        bytes.truncate(bytes.len().saturating_sub((random >> 40) as usize % 400));
        bytes
    };
    for container in [SegmentContainer::Ts, SegmentContainer::Packed, SegmentContainer::Fmp4] {
        let made = encode(&wav, container, 0.2).unwrap();
        let mut clips = Vec::new();
        for clip in &made.clips {
            let encrypted = match container {
                SegmentContainer::Ts => encrypt_ts(&clip.bytes, KEY, IV),
                SegmentContainer::Packed => encrypt_packed(&clip.bytes, KEY, IV),
                SegmentContainer::Fmp4 => encrypt_fragments(&clip.bytes, SampleScheme::Cenc, KEY, IV),
            };
            clips.push(Clip { bytes: damage(&encrypted).into(), ..clip.clone() });
        }
        let init = made.init.map(|init| Bytes::from(encrypt_init(&init, SampleScheme::Cenc, IV)));
        let line = format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"key\",IV={IV_TEXT}");
        let got = deliveries(clips.clone(), init, container.extension(), &line).await;
        assert_eq!(got.len(), clips.len(), "{container:?}");
        process(got);
    }
}

#[tokio::test]
async fn segments_that_cannot_be_decrypted_are_gaps() {
    for content in [&b"neither MPEG-TS nor MP4"[..], b"\0\0\0\x10moof\0\0\0\x08traf", &[0x47; 400]] {
        let clips = vec![Clip { bytes: Bytes::copy_from_slice(content), seconds: 2.0 }];
        let got = deliveries(clips, None, "ts", "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"key\"").await;
        assert!(matches!(&got[..], [Delivery::Gap(gap)] if gap.reason == GapReason::Unreadable), "{got:?}");
    }
}

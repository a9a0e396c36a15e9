//! Tests of each case that m3u8-rs alone parses incorrectly, and of the completed values.

use proptest::prelude::*;

use super::*;

fn base() -> Url {
    Url::parse("https://host.example/live/index.m3u8?token=t").unwrap()
}

fn media(text: &str) -> MediaPlaylist {
    match parse(text.as_bytes(), &base()) {
        Ok(Playlist::Media(media)) => media,
        other => panic!("{other:?}"),
    }
}

fn master(text: &str) -> MasterPlaylist {
    match parse(text.as_bytes(), &base()) {
        Ok(Playlist::Master(master)) => master,
        other => panic!("{other:?}"),
    }
}

const PLAIN: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2.0,\na.ts\n#EXTINF:2.0,\nb.ts\n";

#[test]
fn a_plain_playlist_is_parsed() {
    let list = media(PLAIN);
    assert_eq!((list.target, list.media_sequence, list.end, list.segments.len()), (2.0, 7, false, 2));
    assert_eq!(list.segments[1].sequence, 8);
    assert_eq!(list.next_sequence(), 9);
    assert_eq!(list.segments[0].url.as_str(), "https://host.example/live/a.ts");
}

#[test]
fn byte_order_mark_carriage_returns_spaces_and_no_last_line_end_change_nothing() {
    let plain = media(PLAIN);
    assert_eq!(media(&format!("\u{feff}{PLAIN}")), plain);
    assert_eq!(media(&PLAIN.replace('\n', "\r\n")), plain);
    assert_eq!(media(&PLAIN.replace('\n', "  \n\n")), plain);
    assert_eq!(media(PLAIN.trim_end()), plain);
}

#[test]
fn a_fractional_target_duration_is_rounded_up_and_not_parsed_as_a_segment() {
    let list = media(&PLAIN.replace("DURATION:2", "DURATION:2.002"));
    assert_eq!((list.target, list.segments.len()), (3.0, 2));
}

#[test]
fn durations_keep_their_digits_and_titles_their_commas() {
    let list =
        media("#EXTM3U\n#EXTINF:2.002000123,One, two, three\na.ts\n#EXTINF:.5\nb.ts\n#EXTINF:3\nc.ts\n");
    let seconds: Vec<f64> = list.segments.iter().map(|segment| segment.seconds).collect();
    assert_eq!(seconds, [2.002000123, 0.5, 3.0]);
}

#[test]
fn dates_are_parsed_in_every_format_and_extrapolated() {
    let list = media(
        "#EXTM3U\n#EXTINF:2,\na.ts\n#EXT-X-PROGRAM-DATE-TIME:2023-05-23T10:57:55.5+0000\n#EXTINF:2.5,\nb.ts\n#EXTINF:2,\nc.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:2,\nd.ts\n",
    );
    let dates: Vec<_> = list.segments.iter().map(|segment| segment.program_date_time).collect();
    assert_eq!(dates, [Some(1_684_839_473.5), Some(1_684_839_475.5), Some(1_684_839_478.0), None]);
}

#[test]
fn keys_and_sections_hold_until_they_change() {
    let list = media(
        "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"600@0\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k?x=1,2\",IV=0xFF\n#EXTINF:2,\na\n#EXTINF:2,\nb\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\nc\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF:2,\nd\n",
    );
    let mut iv = [0; 16];
    iv[15] = 0xff;
    let key = Url::parse("https://host.example/live/k?x=1,2").unwrap();
    let clear = Encryption::Aes128 { key, iv: Some(iv) };
    assert_eq!(list.segments[0].encryption.as_deref(), Some(&clear));
    assert_eq!(list.segments[1].encryption.as_deref(), Some(&clear));
    assert_eq!(list.segments[2].encryption, None);
    let sample_key = Url::parse("https://host.example/live/k").unwrap();
    assert_eq!(
        list.segments[3].encryption.as_deref(),
        Some(&Encryption::SampleAes { key: sample_key, iv: None })
    );
    let map = list.segments[3].map.as_deref().unwrap();
    assert_eq!(map.range, Some(ByteRange { offset: 0, length: 600 }));
    assert_eq!(map.url.as_str(), "https://host.example/live/init.mp4");
}

#[test]
fn a_key_without_rights_management_is_preferred() {
    let key = "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n";
    let drm = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n";
    for keys in [format!("{key}{drm}"), format!("{drm}{key}")] {
        let list = media(&format!("#EXTM3U\n{keys}#EXTINF:2,\na\n"));
        assert!(matches!(list.segments[0].encryption.as_deref(), Some(Encryption::Aes128 { iv: None, .. })));
    }
    let list = media(&format!("#EXTM3U\n{drm}#EXTINF:2,\na\n"));
    let Some(Encryption::Unsupported(reason)) = list.segments[0].encryption.as_deref() else {
        panic!("{:?}", list.segments[0].encryption)
    };
    assert!(reason.contains("Apple FairPlay"), "{reason}");
}

#[test]
fn only_known_methods_with_a_key_are_decrypted() {
    let of = |key: &str| {
        let list = media(&format!("#EXTM3U\n#EXT-X-KEY:{key}\n#EXTINF:2,\na\n"));
        list.segments[0].encryption.clone()
    };
    let is_sample = |key: &str| matches!(of(key).as_deref(), Some(Encryption::SampleAes { .. }));
    assert!(is_sample("METHOD=SAMPLE-AES,URI=\"k\",KEYFORMAT=\"identity\",IV=0x1"));
    assert!(is_sample("METHOD=SAMPLE-AES-CTR,URI=\"k\""));
    for key in ["METHOD=SAMPLE-AES", "METHOD=SAMPLE-AES,URI=\"k\",IV=1", "METHOD=AES-256,URI=\"k\""] {
        assert!(matches!(of(key).as_deref(), Some(Encryption::Unsupported(_))), "{key}");
    }
}

#[test]
fn a_byte_range_without_offset_follows_the_one_before() {
    let list = media(
        "#EXTM3U\n#EXTINF:2,\n#EXT-X-BYTERANGE:100@10\na\n#EXTINF:2,\n#EXT-X-BYTERANGE:50\na\n#EXTINF:2,\n#EXT-X-BYTERANGE:7\nb\n",
    );
    let ranges: Vec<_> =
        list.segments.iter().map(|segment| segment.range.map(|r| (r.offset, r.length))).collect();
    assert_eq!(ranges, [Some((10, 100)), Some((110, 50)), Some((0, 7))]);
}

#[test]
fn tags_after_the_last_segment_are_kept() {
    let list = media(&format!(
        "{PLAIN}#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1\n#EXT-X-PART:DURATION=0.5,URI=\"p1\"\n#EXT-X-PART:DURATION=0.5,URI=\"p2\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p3\"\n"
    ));
    let expected = LowLatency { can_block_reload: true, part_target: Some(0.5), hint: true };
    assert_eq!((&list.low_latency, list.segments.len(), list.parts_ahead()), (&expected, 2, 2));
    assert!(media(&format!("{PLAIN}#EXT-X-PREFETCH:https://host.example/next.ts\n")).low_latency.hint);
    assert!(media(&format!("{PLAIN}#EXT-X-ENDLIST")).end);
    assert_eq!((media(PLAIN).open, media(PLAIN).low_latency), (None, LowLatency::default()));
}

#[test]
fn parts_belong_to_their_segment_and_the_last_ones_to_the_open_segment() {
    let list = media(
        "#EXTM3U\n#EXT-X-PART-INF:PART-TARGET=1.004\n#EXT-X-MAP:URI=\"i\"\n#EXT-X-PROGRAM-DATE-TIME:2023-05-23T10:57:55.5Z\n#EXT-X-PART:DURATION=1,URI=\"a?t=1,2\",BYTERANGE=\"100@0\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=1,URI=\"a?t=1,2\",BYTERANGE=\"50\"\n#EXTINF:2,\na\n#EXT-X-DISCONTINUITY\n#EXT-X-PART:DURATION=.5,URI=\"b\",BYTERANGE=\"7\"\n#EXT-X-PART:DURATION=0.75,URI=\"c\",GAP=YES\n#EXT-X-PART:DURATION=x\n",
    );
    assert_eq!(list.low_latency.part_target, Some(1.004));
    let parts = |segment: &MediaSegment| -> Vec<_> {
        let range = |part: &Part| part.range.map(|range| (range.offset, range.length));
        segment.parts.iter().map(|part| (part.seconds, range(part), part.gap)).collect()
    };
    let first = &list.segments[0];
    assert_eq!(parts(first), [(1.0, Some((0, 100)), false), (1.0, Some((100, 50)), false)]);
    assert_eq!(first.parts[0].url.as_str(), "https://host.example/live/a?t=1,2");
    let open = list.open.unwrap();
    assert_eq!(parts(&open), [(0.5, Some((0, 7)), false), (0.75, None, true), (0.0, None, true)]);
    assert_eq!((open.sequence, open.seconds, open.discontinuity), (1, 1.25, true));
    assert_eq!((open.program_date_time, open.discontinuity_sequence, open.map.is_some()), (None, 1, true));
}

#[test]
fn gaps_and_discontinuities_are_set_on_their_segments() {
    let list = media(
        "#EXTM3U\n#EXT-X-DISCONTINUITY-SEQUENCE:4\n#EXTINF:2,\na\n#EXT-X-DISCONTINUITY\n#EXT-X-GAP\n#EXTINF:2,\nb\n#EXTINF:2,\nc\n",
    );
    let marks: Vec<_> =
        list.segments.iter().map(|s| (s.gap, s.discontinuity, s.discontinuity_sequence)).collect();
    assert_eq!(marks, [(false, false, 4), (true, true, 5), (false, false, 5)]);
}

#[test]
fn missing_tags_have_defaults() {
    let list = media("#EXTINF:2.5,\na.ts\n#EXTINF:2,\nb.ts\nc.ts\n");
    assert_eq!((list.target, list.media_sequence), (2.5, 0));
    assert_eq!(list.segments[2].seconds, 2.5);
    let list =
        media("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:x\n#EXT-X-KEY:URI=\"k\"\n#EXTINF:2\n#EXT-X-DATERANGE:ID\na.ts");
    assert_eq!(list.segments.len(), 1);
    assert!(matches!(list.segments[0].encryption.as_deref(), Some(Encryption::Unsupported(_))));
}

#[test]
fn ads_are_marked() {
    let ads = |text: &str| -> String {
        let list = media(&format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{text}"));
        list.segments.iter().map(|segment| if segment.ad { 'a' } else { '-' }).collect()
    };
    assert_eq!(ads("#EXTINF:2,live\na\n#EXTINF:2,Amazon|1\nb\n#EXTINF:2,live\nc\n"), "-a-");
    assert_eq!(ads("#EXTINF:2,A Song\na\n#EXTINF:2,Another\nb\n"), "--");
    assert_eq!(ads("#EXTINF:2\na\n#EXT-X-CUE-OUT:4\n#EXTINF:2\nb\n#EXTINF:2\nc\n#EXTINF:2\nd\n"), "-aa-");
    assert_eq!(ads("#EXT-X-CUE-OUT\n#EXTINF:2\nb\n#EXTINF:2\nc\n#EXT-X-CUE-IN\n#EXTINF:2\nd\n"), "aa-");
    assert_eq!(ads("#EXT-X-CUE-OUT-CONT:28/30\n#EXTINF:2\na\n#EXTINF:2\nb\n"), "a-");
    let class = "#EXT-X-DATERANGE:ID=\"x\",CLASS=\"twitch-stitched-ad\",START-DATE=\"2023-05-23T10:00:02Z\",DURATION=2\n";
    let date = "#EXT-X-PROGRAM-DATE-TIME:2023-05-23T10:00:00+0000\n";
    assert_eq!(ads(&format!("{class}{date}#EXTINF:2\na\n#EXTINF:2\nb\n#EXTINF:2\nc\n")), "-a-");
}

#[test]
fn a_master_lists_variants_and_audio() {
    let list = master(
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud\",NAME=\"English, main\",DEFAULT=YES,URI=\"en.m3u8\"\n#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"x\"\n#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"audio_only\",NAME=\"audio only\"\n#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS=\"avc1.4d401f,mp4a.40.2\",AUDIO=\"aud\"\nv.m3u8?a=b&c=d\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n#EXT-X-STREAM-INF:CODECS=\"mp4a.40.2\",VIDEO=\"audio_only\"\na.m3u8\n",
    );
    assert_eq!((list.variants.len(), list.audio.len()), (2, 1));
    assert_eq!(list.variants[0].url.as_str(), "https://host.example/live/v.m3u8?a=b&c=d");
    assert_eq!(list.variants[1].name.as_deref(), Some("audio_only"));
    assert_eq!(list.variants[1].bandwidth, 0);
    assert_eq!((list.audio[0].name.as_str(), list.audio[0].default), ("English, main", true));
}

#[test]
fn content_that_is_not_a_playlist_is_named_in_the_error() {
    let error = |bytes: &[u8]| parse(bytes, &base()).unwrap_err();
    assert_eq!(error(b"<!DOCTYPE html><html>").to_string(), "this is HTML or XML, not a playlist");
    assert_eq!(error(b""), PlaylistError::NotAPlaylist("an empty answer"));
    assert_eq!(error(b"{\"error\":1}"), PlaylistError::NotAPlaylist("JSON"));
    assert!(matches!(error(&[0x47; 188]), PlaylistError::NotAPlaylist("media")));
    assert!(matches!(error(&[0xff; 100]), PlaylistError::NotAPlaylist(_)));
}

#[test]
fn sizes_have_limits() {
    let error = |text: &str| parse(text.as_bytes(), &base()).unwrap_err();
    assert_eq!(error(&"#".repeat(17 << 20)), PlaylistError::TooLarge(16 << 20));
    let master = "#EXT-X-STREAM-INF:BANDWIDTH=1\na\n".repeat(49_000) + &"# remark\n".repeat(100_000);
    assert_eq!(error(&master), PlaylistError::TooLarge(2 << 20));
    assert!(matches!(error(&format!("#EXTM3U\n{}", "a".repeat(100_000))), PlaylistError::LongLine(_)));
    assert!(matches!(error(&format!("#EXTM3U\n{}", "a\n".repeat(60_000))), PlaylistError::ManySegments(_)));
    assert!(matches!(error(&format!("#EXTM3U\n{}", "#\n".repeat(500_000))), PlaylistError::ManyLines(_)));
}

const RICH: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI=\"i\",BYTERANGE=\"6@0\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1\n#EXT-X-PROGRAM-DATE-TIME:2023-05-23T10:57:55.5+0000\n#EXTINF:2.5,live\n#EXT-X-BYTERANGE:5@1\nb.ts\n#EXT-X-DISCONTINUITY\n#EXT-X-CUE-OUT:3\n#EXT-X-DATERANGE:ID=\"x\",CLASS=\"ad\",START-DATE=\"2023-05-23T10:00:02Z\"\n#EXTINF:2,\nc.ts\n#EXT-X-PART:DURATION=1,URI=\"p\",BYTERANGE=\"5@1\",GAP=YES\n";

proptest! {
    #[test]
    fn mutated_bytes_never_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..12)) {
        let mut bytes = RICH.as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => { bytes.remove(at); }
                _ => bytes.insert(at.min(bytes.len()), byte),
            }
        }
        let _ = parse(&bytes, &base());
    }

    #[test]
    fn lines_in_any_order_never_panic(order in Just(RICH.lines().collect::<Vec<_>>()).prop_shuffle(), taken in 0..20_usize) {
        let text: Vec<&str> = order.into_iter().take(taken).collect();
        let _ = parse(text.join("\n").as_bytes(), &base());
    }

    #[test]
    fn every_segment_is_parsed_once_and_in_order(seconds in prop::collection::vec(0.1_f64..20.0, 1..50), first in 0..1_000_000_u64) {
        let mut text = format!("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
        for (index, duration) in seconds.iter().enumerate() {
            text.push_str(&format!("#EXTINF:{duration},t\n{index}.ts?q={index}\n"));
        }
        let list = media(&text);
        prop_assert_eq!(list.segments.len(), seconds.len());
        for (index, (segment, duration)) in list.segments.iter().zip(&seconds).enumerate() {
            prop_assert_eq!(segment.sequence, first + index as u64);
            prop_assert_eq!(segment.seconds, *duration);
            let name = format!("/{index}.ts?q={index}");
            prop_assert!(segment.url.as_str().ends_with(&name));
        }
    }
}

//! Long playlists: only the newest segments of a live one are kept, and the text is parsed in pieces.

use std::fmt::Write as _;

use super::super::{Playlist, PlaylistError, parse};
use super::*;

fn media(text: &str) -> MediaPlaylist {
    let base = Url::parse("https://host.example/live/index.m3u8").unwrap();
    match parse(text.as_bytes(), &base) {
        Ok(Playlist::Media(media)) => media,
        other => panic!("{other:?}"),
    }
}

/// Returns a playlist of `count` segments. Most of its tags apply to segments that come thousands of lines later.
fn long(count: usize, name: &str) -> String {
    let mut text = String::from(
        "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:70\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-MAP:URI=\"init\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2023-05-23T10:57:55Z\n#EXT-X-CUE-OUT:1e9\n",
    );
    for index in 0..count {
        if index == count / 2 {
            text.push_str("#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2023-05-24T10:57:55Z\n");
        }
        let seconds = 2.0 + (index % 3) as f64 / 4.0;
        let _ = writeln!(text, "#EXTINF:{seconds},\n#EXT-X-BYTERANGE:10\n{name}{}.ts", index / 5_000);
    }
    text
}

#[test]
fn live_playlist_keeps_its_newest_segments_as_they_are_in_a_recording() {
    for count in [MAX_LIVE_SEGMENTS - 1, MAX_LIVE_SEGMENTS, MAX_LIVE_SEGMENTS + 1, 12_000] {
        let text = long(count, "");
        let recording = media(&format!("{text}#EXT-X-ENDLIST\n"));
        let live = media(&text);
        assert_eq!((recording.segments.len(), recording.media_sequence), (count, 70));
        let skipped = count.saturating_sub(MAX_LIVE_SEGMENTS);
        assert_eq!(live.segments, recording.segments[skipped..], "{count}");
        assert_eq!(live.media_sequence, 70 + skipped as u64);
        assert_eq!((live.target, live.next_sequence()), (recording.target, recording.next_sequence()));
    }
}

#[test]
fn pieces_of_a_long_playlist_are_one_playlist() {
    let list = media(&format!("#EXT-X-ENDLIST\n#EXT-X-PLAYLIST-TYPE:VOD\n{}", long(20_000, "")));
    assert_eq!((list.segments.len(), list.end, list.vod), (20_000, true, true));
    for (index, segment) in list.segments.iter().enumerate() {
        assert_eq!(segment.sequence, 70 + index as u64);
        // Each resource has 5,000 ranges of 10 bytes.
        let offset = (index % 5_000) as u64 * 10;
        assert_eq!(segment.range, Some(ByteRange { offset, length: 10 }), "{index}");
        assert!(segment.encryption.is_some() && segment.map.is_some() && segment.ad);
        assert_eq!(segment.discontinuity_sequence, if index < 10_000 { 3 } else { 4 });
    }
    let hours = list.segments[9_999].program_date_time.unwrap() - 1_684_839_475.0;
    assert!((hours - 9_999.0 * 2.25).abs() < 0.5, "{hours}");
    let parts = format!("{}#EXT-X-PART:DURATION=1,URI=\"p\"\n", long(9_000, ""));
    assert_eq!(media(&parts).open.map(|open| open.sequence), Some(9_070));
}

#[test]
fn day_of_segments_with_long_signatures_is_parsed() {
    let text = long(50_000, &format!("old/{}?sig=", "0123456789abcdef".repeat(16)));
    assert!((12_000_000..16_000_000).contains(&text.len()), "{}", text.len());
    assert_eq!(media(&text).segments.len(), MAX_LIVE_SEGMENTS);
    let base = Url::parse("https://host.example/live/index.m3u8").unwrap();
    let more = parse(format!("{text}#EXTINF:2,\na\n").as_bytes(), &base);
    assert!(matches!(more, Err(PlaylistError::ManySegments(50_000))));
}

//! Any bytes as a playlist.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refrain_stream::hls::playlist::{Playlist, parse};

fuzz_target!(|bytes: &[u8]| {
    let base = url::Url::parse("https://host.example/live/index.m3u8?token=t").expect("a URL");
    let Ok(Playlist::Media(list)) = parse(bytes, &base) else { return };
    assert!(list.target >= 0.1 && list.target.is_finite());
    for (index, segment) in list.segments.iter().enumerate() {
        assert!(segment.sequence == list.media_sequence.saturating_add(index as u64));
        assert!(segment.seconds.is_finite() && segment.seconds >= 0.0);
        assert!(segment.program_date_time.is_none_or(f64::is_finite));
    }
});

//! Targets for data of live sources.

#[path = "../../../crates/stream/tests/it/decode/chain.rs"]
mod chain;

use refrain_stream::fuzzing;
use refrain_stream::hls::playlist::{Playlist, parse};
use url::Url;

/// Maximum metadata interval of an ICY body in bytes that the target uses.
const MAX_INTERVAL: usize = 4096;

/// Decodes a chain of segments, gaps and bytes without segments.
pub(super) fn stream_decoder(bytes: &[u8]) {
    chain::process(chain::parse(bytes));
}

/// Splits packed audio from its ID3 tags.
pub(super) fn packed_audio(bytes: &[u8]) {
    let (_, audio) = fuzzing::packed_audio(bytes);
    assert!(audio <= bytes.len(), "there is more audio than bytes");
}

/// Decrypts the audio frames of a segment, which must keep its length.
pub(super) fn sample_aes(bytes: &[u8]) {
    assert!(fuzzing::sample_aes(bytes).is_none_or(|length| length == bytes.len()), "the length has changed");
}

/// Parses an HLS playlist.
pub(super) fn playlist(bytes: &[u8]) {
    let Ok(Playlist::Media(list)) = parse(bytes, &base()) else { return };
    assert!(list.target >= 0.1 && list.target.is_finite(), "target duration {}", list.target);
    for (index, segment) in list.segments.iter().enumerate() {
        assert!(
            segment.sequence == list.media_sequence.saturating_add(index as u64),
            "numbers are not in order"
        );
        assert!(segment.seconds.is_finite() && segment.seconds >= 0.0, "duration {}", segment.seconds);
        assert!(segment.program_date_time.is_none_or(f64::is_finite), "a date is not finite");
    }
}

/// Parses a DASH manifest and lists its segments. The current time is a day after the start of the manifests of the grammar.
pub(super) fn mpd(bytes: &[u8]) {
    fuzzing::manifest(bytes, &base(), 1_767_225_600.0 + 86_400.0);
}

/// Separates audio and metadata of a radio body. The result must not depend on the pieces in which the body arrives. The first
/// three bytes are the interval and the length of the pieces.
pub(super) fn icy(bytes: &[u8]) {
    let _ = fuzzing::icy_header(bytes);
    let [low, high, piece, body @ ..] = bytes else { return };
    let interval = usize::from(u16::from_le_bytes([*low, *high])) % MAX_INTERVAL + 1;
    let cut = fuzzing::icy_body(interval, usize::from(*piece) + 1, body);
    assert!(cut == fuzzing::icy_body(interval, usize::MAX, body), "the result depends on the pieces");
}

/// Recognizes documents, and parses the playlist of a radio station.
pub(super) fn station_list(bytes: &[u8]) {
    _ = refrain_stream::DocumentKind::of(None, bytes);
    let text = String::from_utf8_lossy(bytes);
    assert!(fuzzing::station_list(&text, &base()).len() <= 5, "more addresses than are tried");
}

fn base() -> Url {
    Url::parse("https://host.example/live/index.m3u8?token=t").expect("the URL is valid")
}

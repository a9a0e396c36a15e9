//! Entry point for the fuzz target of manifests.

use std::collections::HashSet;

use url::Url;

use super::{LoadedMpd, Presentation, parse};
use crate::hls::RenditionChoice;

/// Parses a manifest and lists its segments at two times.
///
/// # Panics
/// Panics if a segment is listed twice, segments are not in order, or a value is not finite.
pub fn manifest(bytes: &[u8], base: &Url, now: f64) {
    let Ok(mpd) = parse(bytes, base) else { return };
    let presentation = Presentation::default();
    let loaded = LoadedMpd { mpd, url: base.clone(), etag: None, modified: None, date: None, loaded: now };
    let Ok(labels) = presentation.begin(loaded, &RenditionChoice::Automatic, None) else { return };
    assert!(labels.iter().collect::<HashSet<_>>().len() == labels.len(), "names are not unique");
    for (index, label) in labels.iter().enumerate() {
        let Ok(Some(list)) = presentation.playlist_at(label, now + 4.0 * index as f64) else { continue };
        assert!(list.target >= 0.1 && list.target.is_finite(), "target duration {}", list.target);
        for (at, segment) in list.segments.iter().enumerate() {
            let number = list.media_sequence.saturating_add(at as u64);
            assert!(segment.sequence == number, "numbers are not in order");
            assert!(segment.seconds.is_finite() && segment.seconds >= 0.0, "duration {}", segment.seconds);
            assert!(segment.program_date_time.is_none_or(f64::is_finite), "a date is not finite");
        }
    }
}

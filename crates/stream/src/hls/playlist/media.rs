//! Conversion of a media playlist from m3u8-rs to the model. A value that applies to all following segments is set on
//! each of them.

use std::sync::Arc;

use m3u8_rs::{KeyMethod, MediaPlaylistType};
use url::Url;

use super::ads::AdDetector;
use super::attributes::Attributes;
use super::dates::epoch_seconds;
use super::drm;
use super::durations::Durations;
use super::model::{ByteRange, Encryption, LowLatency, Map, MediaPlaylist, MediaSegment};
use super::parts::{self, PartParser, length};
use super::rewrite::{DATE, DRM, TAIL};
use super::tags::{inf, value};

#[cfg(test)]
mod tests;

/// Maximum number of segments of a live playlist that are kept: its newest ones. 2,048 segments of 2 s are 68 minutes,
/// but a stream without new segments ends after 5 minutes, so no older segment is needed. At half this value, segments
/// of 0.2 s are lost if a playlist cannot be loaded for 4 minutes; at twice this value, a hostile live playlist needs
/// twice the memory.
pub(super) const MAX_LIVE_SEGMENTS: usize = 2_048;

pub(super) fn complete(mut read: m3u8_rs::MediaPlaylist, base: &Url) -> MediaPlaylist {
    let low_latency = low_latency(&read);
    // The segment that `rewrite` added contains the tags after the last URI: the parts of the open segment.
    let tail = read.segments.pop_if(|last| last.uri == TAIL);
    let durations = Durations::of(&read);
    let mut builder = SegmentBuilder::new(&read, base, durations);
    // A recording is delivered from its first segment, a live stream only from its newest ones.
    let kept = if read.end_list { usize::MAX } else { MAX_LIVE_SEGMENTS };
    let skipped = read.segments.len().saturating_sub(kept);
    let mut segments: Vec<MediaSegment> = Vec::with_capacity(read.segments.len() - skipped);
    for (index, segment) in std::mem::take(&mut read.segments).into_iter().enumerate() {
        match index < skipped {
            true => builder.skip(&segment),
            false => segments.push(builder.complete(&segment)),
        }
    }
    let open = tail.map(|tail| builder.complete(&tail)).filter(|open| !open.parts.is_empty());
    count_back(&mut segments);
    MediaPlaylist {
        target: durations.target,
        segments,
        open: open.map(|open| Box::new(MediaSegment { seconds: length(&open.parts), ..open })),
        media_sequence: read.media_sequence.saturating_add(skipped as u64),
        end: read.end_list,
        vod: read.playlist_type == Some(MediaPlaylistType::Vod),
        low_latency,
        next_load: None,
    }
}

fn low_latency(read: &m3u8_rs::MediaPlaylist) -> LowLatency {
    let all = || read.segments.iter().flat_map(|segment| &segment.unknown_tags);
    let control = all().find(|tag| tag.tag == "X-SERVER-CONTROL").and_then(|tag| tag.rest.as_deref());
    let tail =
        read.segments.last().filter(|last| last.uri == TAIL).map_or(&[][..], |last| &last.unknown_tags);
    LowLatency {
        can_block_reload: control.is_some_and(|list| Attributes::parse(list).is_yes("CAN-BLOCK-RELOAD")),
        part_target: parts::target(all()),
        hint: tail.iter().any(|tag| matches!(tag.tag.as_str(), "X-PRELOAD-HINT" | "X-PREFETCH")),
    }
}

/// Builder of segments, with the values that apply to each segment until a tag changes them.
struct SegmentBuilder<'a> {
    base: &'a Url,
    durations: Durations,
    sequence: u64,
    discontinuities: u64,
    encryption: Option<Arc<Encryption>>,
    map: Option<Arc<Map>>,
    /// URI and end offset of the last byte range; `None` before the first one.
    range_end: Option<(String, u64)>,
    date: Option<f64>,
    ads: AdDetector,
    parts: PartParser<'a>,
}

impl<'a> SegmentBuilder<'a> {
    fn new(read: &m3u8_rs::MediaPlaylist, base: &'a Url, durations: Durations) -> Self {
        Self {
            base,
            durations,
            sequence: read.media_sequence,
            discontinuities: read.discontinuity_sequence,
            encryption: None,
            map: None,
            range_end: None,
            date: None,
            ads: AdDetector::new(read, base),
            parts: PartParser::new(base),
        }
    }

    fn complete(&mut self, read: &m3u8_rs::MediaSegment) -> MediaSegment {
        let tags = &read.unknown_tags;
        let (seconds, title) = self.enter(read);
        let url = self.base.join(&read.uri);
        let segment = MediaSegment {
            range: read.byte_range.as_ref().and_then(|range| self.range(&read.uri, range)),
            sequence: self.sequence,
            number: self.sequence,
            seconds,
            discontinuity: read.discontinuity,
            discontinuity_sequence: self.discontinuities,
            program_date_time: self.date,
            encryption: self.encryption.clone(),
            map: self.map.clone(),
            // An invalid URL cannot be fetched.
            gap: url.is_err() || value(tags, "X-GAP").is_some(),
            ad: self.ads.next(tags, title, self.date, seconds),
            url: url.unwrap_or_else(|_| self.base.clone()),
            parts: self.parts.of(tags),
        };
        self.leave(seconds);
        segment
    }

    /// Applies the tags of a segment that is not kept to the segments after it.
    fn skip(&mut self, read: &m3u8_rs::MediaSegment) {
        let (seconds, title) = self.enter(read);
        self.ads.next(&read.unknown_tags, title, self.date, seconds);
        // The range of the next segment can begin at the end of this one.
        let _ = read.byte_range.as_ref().and_then(|range| self.range(&read.uri, range));
        self.leave(seconds);
    }

    /// Applies the tags before a segment. Returns the duration in seconds and the title of the segment.
    fn enter<'r>(&mut self, read: &'r m3u8_rs::MediaSegment) -> (f64, &'r str) {
        let (written, title) = inf(&read.unknown_tags);
        if read.discontinuity {
            self.discontinuities = self.discontinuities.saturating_add(1);
            // Dates are not extrapolated over a discontinuity, because the media after it has another clock.
            self.date = None;
        }
        self.date = value(&read.unknown_tags, DATE).and_then(epoch_seconds).or(self.date);
        // The encryption is updated before the section, because a section is encrypted with the key that precedes it.
        self.change_encryption(read);
        self.change_map(read);
        (self.durations.seconds(written), title)
    }

    fn leave(&mut self, seconds: f64) {
        self.sequence = self.sequence.saturating_add(1);
        self.date = self.date.map(|date| date + seconds);
    }

    fn change_encryption(&mut self, read: &m3u8_rs::MediaSegment) {
        let unsupported = |method: &str| Some(Arc::new(Encryption::Unsupported(method.to_owned())));
        if let Some(key) = &read.key {
            let whole_segments = key.method == KeyMethod::AES128;
            let is_known = whole_segments || is_sample_encryption(&key.method);
            let iv = key.iv.as_deref().map(vector);
            self.encryption = match key.uri.as_ref().and_then(|uri| self.base.join(uri).ok()) {
                _ if key.method == KeyMethod::None => None,
                _ if !is_known => unsupported(&key.method.to_string()),
                None => unsupported(&format!("{} without a URI of its key", key.method)),
                Some(_) if iv == Some(None) => unsupported(&format!("{} with a malformed IV", key.method)),
                Some(key) if whole_segments => Some(Arc::new(Encryption::Aes128 { key, iv: iv.flatten() })),
                Some(key) => Some(Arc::new(Encryption::SampleAes { key, iv: iv.flatten() })),
            };
        } else if let Some(list) = value(&read.unknown_tags, DRM) {
            self.encryption = unsupported(&drm::description(list));
        } else if value(&read.unknown_tags, "X-KEY").is_some() {
            self.encryption = unsupported("EXT-X-KEY without a method");
        }
    }

    fn change_map(&mut self, read: &m3u8_rs::MediaSegment) {
        let Some(map) = &read.map else { return };
        let Ok(url) = self.base.join(&map.uri) else { return };
        // A range without an offset starts at 0 (RFC 8216 section 4.3.2.5 requires the offset).
        let range = map.byte_range.as_ref();
        let range = range.map(|range| ByteRange { offset: range.offset.unwrap_or(0), length: range.length });
        self.map = Some(Arc::new(Map { url, range, encryption: self.encryption.clone() }));
    }

    /// Resolves a byte range. A range without an offset starts at the end of the previous range of the same resource.
    /// Returns `None` if the end of the range exceeds 64 bits.
    fn range(&mut self, uri: &str, range: &m3u8_rs::ByteRange) -> Option<ByteRange> {
        // `take`: a range without an offset continues only the range directly before it.
        let continued_offset =
            self.range_end.take().filter(|(last, _)| last == uri).map_or(0, |(_, end)| end);
        let offset = range.offset.unwrap_or(continued_offset);
        self.range_end = Some((uri.to_owned(), offset.checked_add(range.length)?));
        Some(ByteRange { offset, length: range.length })
    }
}

/// Returns true for the methods that encrypt single audio frames.
fn is_sample_encryption(method: &KeyMethod) -> bool {
    match method {
        KeyMethod::SampleAES => true,
        KeyMethod::Other(name) => name == "SAMPLE-AES-CTR",
        KeyMethod::None | KeyMethod::AES128 => false,
    }
}

/// Parses an initialisation vector: `0x` and up to 32 hexadecimal digits. Returns `None` for other text.
fn vector(text: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    Some(u128::from_str_radix(digits, 16).ok()?.to_be_bytes())
}

/// Sets the dates of segments that precede a segment with a date and have none, by subtracting durations. Dates are not
/// extrapolated over a discontinuity.
fn count_back(segments: &mut [MediaSegment]) {
    let mut after: Option<(f64, bool)> = None;
    for segment in segments.iter_mut().rev() {
        if segment.program_date_time.is_none()
            && let Some((date, false)) = after
        {
            segment.program_date_time = Some(date - segment.seconds);
        }
        after = segment.program_date_time.map(|date| (date, segment.discontinuity));
    }
}

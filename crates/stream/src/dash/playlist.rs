//! Conversion of a manifest to the model of a media playlist.

use std::collections::HashMap;

use url::Url;

use super::mpd::{Mpd, MpdError};
use super::numbering::Numbering;
use super::segments::{
    DashSegment, MAX_LIVE_SEGMENTS, MAX_RECORDED_SEGMENTS, PeriodSegments, PeriodSource, Window, needs_index,
    too_many,
};
use super::select::Selection;
use super::sidx::SegmentIndex;
use crate::hls::playlist::{ByteRange, LowLatency, MediaPlaylist, MediaSegment};

/// Stretch of a live stream that is listed, seconds: the time after which a stream without new segments ends, so no
/// older segment is needed. At half this value, segments are lost after an outage of 4 minutes; at twice this value,
/// each load of a manifest converts twice the segments.
const LISTED_SECONDS: f64 = 5.0 * 60.0;

/// Shortest stretch without a segment that becomes a gap, seconds; shorter ones are rounding, or the end of a period
/// within a segment. At half this value, rounded times become gaps; at twice this value, the length of lost segments of
/// 0.5 s is determined by the time stamps only.
const MIN_HOLE_SECONDS: f64 = 0.25;

/// Pause between the time at which a segment is complete and its request, seconds: encoders write it a moment later.
/// At half this value, more requests fail and are repeated; at twice this value, songs are reported 0.2 s later.
const AFTER_COMPLETE_SECONDS: f64 = 0.2;

/// Duration of segments if none is listed, seconds. At half or twice this value, an empty manifest is loaded twice or
/// half as often.
const DEFAULT_SEGMENT_SECONDS: f64 = 2.0;

/// Number of segments from whose durations the interval of loads follows. At half or twice this value, nothing changes
/// for streams with segments of equal duration.
const TARGET_SEGMENTS: usize = 8;

/// Segment indexes by URL and range.
pub(super) type Indexes = HashMap<(Url, ByteRange), SegmentIndex>;

/// The segments of a manifest.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) segments: Vec<DashSegment>,
    /// Seconds until the next segment is complete, if the clock determines it.
    pub(super) next_load: Option<f64>,
    /// True if no segments will be added.
    pub(super) is_complete: bool,
}

/// Returns the window of a manifest at the time `now` of the server, seconds since 1970.
pub(super) fn window(mpd: &Mpd, now: f64, is_synchronized: bool) -> Window {
    let origin = mpd.availability_start.filter(|_| mpd.is_dynamic);
    let now = origin.map(|origin| now - origin);
    let keep = mpd.time_shift.map_or(LISTED_SECONDS, |depth| depth.min(LISTED_SECONDS));
    let from = match now {
        // At least some segments are listed, also if the buffer is announced as empty.
        Some(now) => now - keep.max(10.0 * DEFAULT_SEGMENT_SECONDS),
        None => f64::NEG_INFINITY,
    };
    Window { from, now, is_synchronized }
}

/// Returns the URL and range of the next segment index that the selected representations need and that is not loaded;
/// `None` if all are.
pub(super) fn missing_index(mpd: &Mpd, selection: &Selection, indexes: &Indexes) -> Option<(Url, ByteRange)> {
    mpd.periods.iter().find_map(|period| {
        let representation = selection.in_period(period)?;
        let range = representation.info.index.filter(|_| needs_index(&representation.info))?;
        let base = representation.bases.get(selection.base).or(representation.bases.first())?;
        let key = (base.url.clone(), range);
        (!indexes.contains_key(&key)).then_some(key)
    })
}

/// Returns the segments of the selected representations within the window.
pub(super) fn list(
    mpd: &Mpd,
    selection: &Selection,
    window: &Window,
    indexes: &Indexes,
) -> Result<Listed, MpdError> {
    let (mut listed, mut parts, mut count) = (Listed::default(), Vec::new(), 0);
    // The newest listed segment decides and not the clock, because the dates of some manifests are wrong.
    let mut from = f64::NEG_INFINITY;
    // From the newest period, because a live stream needs only its newest segments.
    for (index, period) in mpd.periods.iter().enumerate().rev() {
        if period.end.is_some_and(|end| end < from) {
            break;
        }
        let Some(representation) = selection.in_period(period) else { continue };
        let base = representation.bases.get(selection.base).or(representation.bases.first());
        let key = base.zip(representation.info.index).map(|(base, range)| (base.url.clone(), range));
        let segment_index = key.and_then(|key| indexes.get(&key));
        let source = PeriodSource { index, period, representation, base: selection.base, segment_index };
        let PeriodSegments { segments, early, is_by_clock } = source.list(window)?;
        if let Some((last, now)) = segments.last().zip(window.now)
            && count == 0
            && is_by_clock
            && period.end.is_none()
        {
            let next = last.start + 2.0 * last.seconds - if early.is_finite() { early } else { 0.0 };
            listed.next_load = Some((next - now).max(0.0) + AFTER_COMPLETE_SECONDS);
        }
        if let Some((last, keep)) = segments.last().zip(window.kept())
            && count == 0
        {
            from = last.end() - keep;
        }
        count += segments.len() as u64;
        parts.push(segments);
        match window.now {
            Some(_) if count >= MAX_LIVE_SEGMENTS => break,
            None if count > MAX_RECORDED_SEGMENTS => return Err(too_many()),
            _ => {}
        }
    }
    for segments in parts.into_iter().rev() {
        append(&mut listed.segments, segments);
    }
    listed.segments.retain(|segment| segment.end() > from);
    let end = mpd.periods.last().and_then(|last| last.end);
    // A live manifest that will not be updated ends with its last period.
    let is_over = |now: f64| mpd.update_period.is_none() && end.is_some_and(|end| now >= end);
    listed.is_complete = window.now.is_none_or(is_over);
    Ok(listed)
}

/// Appends the segments of a period. Missing segments become segments without a URL.
fn append(all: &mut Vec<DashSegment>, segments: Vec<DashSegment>) {
    for segment in segments {
        let last = all.last().map(|last| (last.start, last.seconds, last.end(), last.period));
        if let Some((start, seconds, end, period)) = last {
            let hole = segment.start - end;
            if hole > MIN_HOLE_SECONDS && hole > segment.seconds.min(seconds) / 4.0 {
                // The period before, so that the discontinuity is at the first segment of the next one.
                let missing = DashSegment { period, start: end, seconds: hole, url: None, ..segment.clone() };
                all.push(missing);
            }
            // Periods that overlap, and segments that were listed in the period before.
            if segment.start + segment.seconds / 2.0 <= start + seconds / 2.0 {
                continue;
            }
        }
        all.push(segment);
    }
}

/// Converts the listed segments to a media playlist. `base` is the URL of the manifest. `is_dated` is false for a
/// recording, whose time of day is not known. Returns `None` if the manifest is an older copy.
pub(super) fn playlist(
    mpd: &Mpd,
    listed: Listed,
    numbering: &mut Numbering,
    (base, is_dated): (&Url, bool),
) -> Option<MediaPlaylist> {
    let origin = mpd.availability_start.filter(|_| is_dated);
    let target = target(&listed.segments);
    let empty = MediaPlaylist {
        target,
        segments: Vec::new(),
        open: None,
        media_sequence: 0,
        end: listed.is_complete,
        vod: !mpd.is_dynamic,
        low_latency: LowLatency::default(),
        next_load: listed.next_load,
    };
    if listed.segments.is_empty() {
        return Some(empty);
    }
    let numbers = numbering.number(&listed.segments, origin.unwrap_or_default())?;
    let mut discontinuities = numbers.discontinuities;
    let mut period = listed.segments.first().map(|first| first.period);
    let mut is_restart = numbers.is_restart;
    let segments = (numbers.first..).zip(listed.segments).map(|(sequence, segment)| {
        let is_other_period = period.replace(segment.period) != Some(segment.period);
        discontinuities += u64::from(is_other_period);
        MediaSegment {
            gap: segment.url.is_none(),
            url: segment.url.unwrap_or_else(|| base.clone()),
            range: segment.range,
            sequence,
            number: segment.number,
            seconds: segment.seconds,
            discontinuity: is_other_period || std::mem::take(&mut is_restart),
            discontinuity_sequence: discontinuities,
            program_date_time: origin.map(|origin| origin + segment.start),
            encryption: None,
            map: segment.map,
            ad: false,
            parts: Vec::new(),
        }
    });
    Some(MediaPlaylist { segments: segments.collect(), media_sequence: numbers.first, ..empty })
}

/// Returns the mean duration of the newest segments, seconds.
fn target(segments: &[DashSegment]) -> f64 {
    let newest = segments.iter().rev().filter(|segment| segment.url.is_some()).take(TARGET_SEGMENTS);
    let (count, sum) = newest.fold((0.0, 0.0), |(count, sum), segment| (count + 1.0, sum + segment.seconds));
    if count > 0.0 { f64::max(sum / count, 0.1) } else { DEFAULT_SEGMENT_SECONDS }
}

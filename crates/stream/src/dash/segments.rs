//! The segments of a representation in a period, with their URLs and times in the presentation.

use std::sync::Arc;

use url::Url;

use super::mpd::{AddressingKind, MpdError, Period, Representation, Resource, SegmentInfo, TimelineEntry};
use super::runs::{RunBounds, SegmentRun, SegmentTime, newest, runs, total};
use super::sidx::SegmentIndex;
use super::template::{TemplateValues, fill};
use crate::hls::playlist::{ByteRange, Map};

/// Maximum number of segments of a recording, as for HLS. At half this value, recordings of a day with segments of 2 s
/// fail; at twice this value, a hostile manifest uses twice the memory.
pub(super) const MAX_RECORDED_SEGMENTS: u64 = 50_000;

/// Maximum number of segments of a live stream that are listed, as for HLS.
pub(super) const MAX_LIVE_SEGMENTS: u64 = 2_048;

/// Rounding of the end of a period that is tolerated, seconds. At half this value, ends that are rounded to milliseconds
/// add a segment that does not exist; at twice this value, nothing changes.
const ROUNDING_SECONDS: f64 = 0.001;

/// Time by which an explicitly listed segment may be ahead of a synchronized clock, in durations of the segment: the
/// segment that the encoder is about to complete. Requests for it are repeated until it exists. At half this value,
/// segments of encoders with a slow clock are fetched late; at twice this value, segments that are announced early fail
/// more often.
const LISTED_AHEAD: u64 = 1;

/// A segment, or missing media.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DashSegment {
    /// Start in the presentation, seconds.
    pub(super) start: f64,
    pub(super) seconds: f64,
    /// Number of the segment in its period.
    pub(super) number: u64,
    /// Index of the period in the manifest.
    pub(super) period: usize,
    /// URL; `None` if the segment is missing or its URL is invalid.
    pub(super) url: Option<Url>,
    pub(super) range: Option<ByteRange>,
    pub(super) map: Option<Arc<Map>>,
}

impl DashSegment {
    /// Returns the end in the presentation, seconds.
    pub(super) fn end(&self) -> f64 {
        self.start + self.seconds
    }
}

/// The stretch of a presentation whose segments are listed, in seconds from the start of the presentation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Segments that the clock determines and that end before this time are left out.
    pub(super) from: f64,
    /// The current time; `None` for a recording.
    pub(super) now: Option<f64>,
    /// True if the current time is that of the clock of the server.
    pub(super) is_synchronized: bool,
}

impl Window {
    /// Returns the length of the stretch before the newest segment that is listed, seconds; `None` for a recording.
    pub(super) fn kept(&self) -> Option<f64> {
        self.now.map(|now| now - self.from)
    }
}

/// The segments of a representation in a period, and whether the clock determines their number.
#[derive(Debug, Default)]
pub(super) struct PeriodSegments {
    pub(super) segments: Vec<DashSegment>,
    /// Seconds by which segments are available before their end.
    pub(super) early: f64,
    pub(super) is_by_clock: bool,
}

/// Returns true if the segments of `info` are known only from an index in their resource.
pub(super) fn needs_index(info: &SegmentInfo) -> bool {
    info.kind == Some(AddressingKind::Base) && info.index.is_some()
}

/// Returns the reason why the segments of a representation cannot be addressed; `None` if they can be.
pub(super) fn unaddressable(info: &SegmentInfo) -> Option<&'static str> {
    if info.timescale == Some(0) {
        return Some("the timescale is 0");
    }
    match info.kind {
        None => Some("a representation without SegmentTemplate, SegmentList or SegmentBase is not supported"),
        Some(AddressingKind::Template) if info.media.is_none() => Some("SegmentTemplate has no media"),
        Some(AddressingKind::Template) if info.timeline.is_none() && info.duration.unwrap_or(0) == 0 => {
            Some("SegmentTemplate has neither a duration nor a SegmentTimeline")
        }
        Some(AddressingKind::List) if info.list.is_none() => Some("SegmentList has no SegmentURL"),
        Some(AddressingKind::Base) if info.index.is_none() => Some("SegmentBase has no indexRange"),
        Some(_) => None,
    }
}

/// The representation of a period whose segments are listed.
pub(super) struct PeriodSource<'a> {
    pub(super) index: usize,
    pub(super) period: &'a Period,
    pub(super) representation: &'a Representation,
    /// Index of the base URL.
    pub(super) base: usize,
    /// The segment index, if one is needed and loaded.
    pub(super) segment_index: Option<&'a SegmentIndex>,
}

impl PeriodSource<'_> {
    /// Returns the segments within the window. Of a live stream, only the newest ones.
    pub(super) fn list(&self, window: &Window) -> Result<PeriodSegments, MpdError> {
        let info = &self.representation.info;
        if unaddressable(info).is_some() {
            return Ok(PeriodSegments::default());
        }
        let base = self.representation.bases.get(self.base).or(self.representation.bases.first());
        let Some(base) = base else { return Ok(PeriodSegments::default()) };
        let early = base.early + info.early.unwrap_or_default();
        if info.kind == Some(AddressingKind::Base) {
            let segments = self.indexed(&base.url);
            return Ok(PeriodSegments { segments, early, is_by_clock: false });
        }
        let runs = self.runs(window, early);
        let map = self.section(&base.url);
        let max = match window.now {
            Some(_) => MAX_LIVE_SEGMENTS,
            None if total(&runs) > MAX_RECORDED_SEGMENTS => return Err(too_many()),
            None => MAX_RECORDED_SEGMENTS,
        };
        let segments = newest(&runs, max).filter_map(|time| self.segment(time, &base.url, map.as_ref()));
        let is_open = |timeline: &[TimelineEntry]| timeline.last().is_some_and(|last| last.repeats.is_none());
        let is_by_clock = info.timeline.as_deref().is_none_or(is_open) && window.now.is_some();
        Ok(PeriodSegments { segments: segments.collect(), early, is_by_clock })
    }

    /// Returns the ticks per second.
    fn timescale(&self) -> f64 {
        self.representation.info.timescale.unwrap_or(1) as f64
    }

    /// Returns the media time in ticks, rounded, at a time of the presentation.
    fn ticks(&self, seconds: f64) -> u64 {
        self.media_time(((seconds - self.period.start) * self.timescale()).round())
    }

    /// Returns the media time of `ticks` after the start of the period; 0 if it is before the start of the media.
    fn media_time(&self, ticks: f64) -> u64 {
        let offset = self.representation.info.offset.unwrap_or_default();
        match ticks < 0.0 {
            true => offset.saturating_sub(-ticks as u64),
            false => offset.saturating_add(ticks as u64),
        }
    }

    fn runs(&self, window: &Window, early: f64) -> Vec<SegmentRun> {
        let info = &self.representation.info;
        // With an infinite offset, all listed segments are available; others are still available when they end.
        let is_all_available = early.is_infinite();
        let now = window.now.map(|now| if is_all_available { now } else { now + early });
        let longest = info.timeline.iter().flat_map(|entries| entries.iter()).map(|entry| entry.ticks).max();
        let ahead = longest.unwrap_or_default().saturating_mul(LISTED_AHEAD);
        // Rounded down: with a timescale of 1, a rounded time could be half a second early.
        let complete = now.map(|now| self.media_time(((now - self.period.start) * self.timescale()).floor()));
        let is_explicit = info.timeline.is_some() || info.kind == Some(AddressingKind::List);
        let bounds = RunBounds {
            from: self.ticks(if is_explicit {
                self.period.start
            } else {
                window.from.max(self.period.start)
            }),
            end: self.period.end.map(|end| self.ticks(end)),
            complete,
            listed: complete
                .filter(|_| window.is_synchronized && !is_all_available)
                .map(|complete| complete.saturating_add(ahead)),
            min_ticks: (self.timescale() * ROUNDING_SECONDS) as u64,
        };
        let first = info.start_number.unwrap_or(1);
        match (&info.list, info.kind) {
            (Some(list), Some(AddressingKind::List)) => {
                let last = first.saturating_add(list.len() as u64 - 1);
                let last = info.end_number.map_or(last, |number| number.min(last));
                let mut listed = SegmentInfo { end_number: Some(last), ..info.clone() };
                if info.timeline.is_none() && info.duration.is_none() {
                    // Without a duration, the list has one segment, which is as long as the period.
                    listed.duration =
                        bounds.end.map(|end| end.saturating_sub(info.offset.unwrap_or_default()));
                }
                runs(&listed, &bounds)
            }
            _ => runs(info, &bounds),
        }
    }

    fn segment(&self, time: SegmentTime, base: &Url, map: Option<&Arc<Map>>) -> Option<DashSegment> {
        let info = &self.representation.info;
        let (url, range) = match info.kind {
            Some(AddressingKind::List) => {
                let index = time.number.checked_sub(info.start_number.unwrap_or(1))?;
                let listed = info.list.as_ref()?.get(usize::try_from(index).ok()?)?;
                (resolve(base, listed), listed.range)
            }
            _ => (self.fill(info.media.as_deref()?, time).and_then(|url| base.join(&url).ok()), None),
        };
        Some(self.at(time, url, range, map))
    }

    fn at(
        &self,
        time: SegmentTime,
        url: Option<Url>,
        range: Option<ByteRange>,
        map: Option<&Arc<Map>>,
    ) -> DashSegment {
        let offset = self.representation.info.offset.unwrap_or_default();
        // Subtracted as integers: media times can be seconds since 1970 in ticks of 100 ns.
        let relative = i128::from(time.start) - i128::from(offset);
        let start = self.period.start + relative as f64 / self.timescale();
        let seconds = time.ticks as f64 / self.timescale();
        let seconds = self.period.end.map_or(seconds, |end| seconds.min((end - start).max(0.0)));
        DashSegment { start, seconds, number: time.number, period: self.index, url, range, map: map.cloned() }
    }

    /// Returns the segments of the segment index, which has its own timescale.
    fn indexed(&self, base: &Url) -> Vec<DashSegment> {
        let Some(index) = self.segment_index else { return Vec::new() };
        let map = self.section(base);
        let offset = self.representation.info.offset.unwrap_or_default() as f64 / self.timescale();
        let ticks = index.timescale as f64;
        let all = (1..).zip(&index.segments).map(|(number, segment)| DashSegment {
            start: self.period.start + segment.start as f64 / ticks - offset,
            seconds: segment.ticks as f64 / ticks,
            number,
            period: self.index,
            url: Some(base.clone()),
            range: Some(ByteRange { offset: segment.offset, length: segment.length }),
            map: map.clone(),
        });
        let end = self.period.end.unwrap_or(f64::INFINITY);
        all.filter(|segment| segment.start < end).collect()
    }

    /// Returns the initialization section.
    fn section(&self, base: &Url) -> Option<Arc<Map>> {
        let info = &self.representation.info;
        let zero = SegmentTime { start: 0, ticks: 1, number: 0 };
        let (url, range) = match (&info.init, &info.init_template, info.index) {
            (Some(init), _, _) => (resolve(base, init)?, init.range),
            (None, Some(template), _) => (base.join(&self.fill(template, zero)?).ok()?, None),
            // The section of a resource with an index is usually everything before the index.
            (None, None, Some(index)) if index.offset > 0 => {
                (base.clone(), Some(ByteRange { offset: 0, length: index.offset }))
            }
            _ => return None,
        };
        Some(Arc::new(Map { url, range, encryption: None }))
    }

    fn fill(&self, template: &str, time: SegmentTime) -> Option<String> {
        let SegmentTime { start, number, .. } = time;
        fill(template, TemplateValues { representation: self.representation, number, time: start })
    }
}

pub(super) fn too_many() -> MpdError {
    MpdError::ManyElements { element: "segments", limit: MAX_RECORDED_SEGMENTS as usize }
}

fn resolve(base: &Url, resource: &Resource) -> Option<Url> {
    match &resource.url {
        Some(url) => base.join(url).ok(),
        None => Some(base.clone()),
    }
}

//! Parsed manifests.

use std::sync::Arc;

use url::Url;

use crate::hls::playlist::ByteRange;

/// A manifest, with the values that its elements inherit set on each representation. Times are seconds; dates are
/// seconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mpd {
    /// True if `type` is `dynamic`: a live stream.
    pub(crate) is_dynamic: bool,
    /// `publishTime`.
    pub(crate) published: Option<f64>,
    /// `availabilityStartTime`: the date to which period starts are relative. Present if the manifest is dynamic.
    pub(crate) availability_start: Option<f64>,
    /// `timeShiftBufferDepth`: the time for which segments remain available; `None` if it is unlimited.
    pub(crate) time_shift: Option<f64>,
    /// `minimumUpdatePeriod`; `None` if the manifest does not change.
    pub(crate) update_period: Option<f64>,
    /// `mediaPresentationDuration`.
    pub(crate) duration: Option<f64>,
    /// `Location`: the URLs from which updates are loaded.
    pub(crate) locations: Vec<Url>,
    /// `UTCTiming`, in order of preference.
    pub(crate) clocks: Vec<UtcTiming>,
    /// The periods, in order of time.
    pub(crate) periods: Vec<Period>,
}

/// `UTCTiming`: a clock with which the client synchronizes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UtcTiming {
    pub(crate) scheme: String,
    pub(crate) value: String,
}

/// A period: a stretch of the stream with the same representations.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Period {
    /// `id`, or an empty text.
    pub(crate) id: String,
    /// Start in the presentation, seconds.
    pub(crate) start: f64,
    /// End in the presentation, seconds; `None` if it is not known yet.
    pub(crate) end: Option<f64>,
    /// All representations of all adaptation sets, except for those that certainly have no audio.
    pub(crate) representations: Vec<Representation>,
    /// True if the content of the period is in another document (xlink), which is not loaded.
    pub(crate) is_remote: bool,
}

/// A representation with the attributes of its adaptation set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Representation {
    /// `id`, or an empty text.
    pub(crate) id: String,
    /// `id` of the adaptation set.
    pub(crate) set: Option<String>,
    /// `bandwidth`, bits per second; 0 if it is missing.
    pub(crate) bandwidth: u64,
    pub(crate) codecs: Option<String>,
    pub(crate) mime: Option<String>,
    /// `contentType` of the adaptation set.
    pub(crate) content: Option<String>,
    pub(crate) language: Option<String>,
    /// Text of `Label`.
    pub(crate) label: Option<String>,
    /// True if `Role` or `Accessibility` marks a description for the visually impaired or a commentary.
    pub(crate) is_description: bool,
    /// True if `Role` is `main`.
    pub(crate) is_main: bool,
    /// Names of the DRM systems (`ContentProtection`); `None` for clear media.
    pub(crate) protection: Option<String>,
    /// The URLs to which the URLs of segments are relative: alternatives, in order of preference. At least one.
    pub(crate) bases: Vec<BaseUrl>,
    pub(crate) info: SegmentInfo,
}

/// A base URL.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BaseUrl {
    pub(crate) url: Url,
    /// Seconds by which complete segments are available earlier (`availabilityTimeOffset`).
    pub(crate) early: f64,
}

/// How the segments of a representation are addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressingKind {
    Template,
    List,
    /// One resource with a segment index (`sidx`).
    Base,
}

/// `SegmentTemplate`, `SegmentList` or `SegmentBase`. A missing value is inherited from the element above.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SegmentInfo {
    pub(crate) kind: Option<AddressingKind>,
    /// Ticks per second.
    pub(crate) timescale: Option<u64>,
    /// `presentationTimeOffset`: media time at the start of the period, in ticks.
    pub(crate) offset: Option<u64>,
    /// Duration of each segment, in ticks.
    pub(crate) duration: Option<u64>,
    pub(crate) start_number: Option<u64>,
    pub(crate) end_number: Option<u64>,
    pub(crate) timeline: Option<Arc<[TimelineEntry]>>,
    /// Template of the URLs of segments.
    pub(crate) media: Option<Arc<str>>,
    /// Template of the URL of the initialization section.
    pub(crate) init_template: Option<Arc<str>>,
    /// Element `Initialization`.
    pub(crate) init: Option<Arc<Resource>>,
    /// The segments of `SegmentList`.
    pub(crate) list: Option<Arc<[Resource]>>,
    /// `indexRange` of `SegmentBase`.
    pub(crate) index: Option<ByteRange>,
    /// Seconds by which complete segments are available earlier (`availabilityTimeOffset`).
    pub(crate) early: Option<f64>,
}

/// A resource, or a part of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resource {
    /// Relative URL; `None` for the base URL itself.
    pub(crate) url: Option<String>,
    pub(crate) range: Option<ByteRange>,
}

/// Element `S` of `SegmentTimeline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimelineEntry {
    /// Start in ticks; `None` if it follows the entry before.
    pub(crate) start: Option<u64>,
    /// Duration in ticks, at least 1.
    pub(crate) ticks: u64,
    /// Number of repetitions; `None` (`r="-1"`) if the entry is repeated until the next one or the end of the period.
    pub(crate) repeats: Option<u64>,
}

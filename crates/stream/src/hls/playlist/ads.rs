//! Detection of segments that are advertisements.

use m3u8_rs::ExtTag;
use url::Url;

use super::attributes::Attributes;
use super::dates::epoch_seconds;
use super::rewrite::RANGE;
use super::tags::inf;

/// Assumed duration of an ad without an announced end, seconds. After this time, the following segments are no longer
/// marked, even if the end of the ad was not received. At half this value, the marks end in the middle of long ad
/// blocks; at twice this value, a lost end marks 20 minutes of the programme as an ad.
const DEFAULT_AD_SECONDS: f64 = 600.0;

/// Evaluates the ad markers of a playlist: titles of segments (IVS), EXT-X-DATERANGE with a class for ads or with
/// SCTE-35 cues, EXT-X-CUE-OUT and EXT-X-CUE-IN.
pub(super) struct AdDetector {
    /// True if a segment with a title other than `live` is an ad (IVS). In other playlists the title is that of a song.
    by_title: bool,
    /// Start and end of the ads by EXT-X-DATERANGE, seconds since 1970. They are sorted and do not overlap, so that the
    /// ad at a date is found by binary search: a playlist can have as many ads as segments.
    spans: Vec<(f64, f64)>,
    /// Remaining seconds of the ad that a cue started; at most 0 outside such an ad.
    remaining_seconds: f64,
}

impl AdDetector {
    pub(super) fn new(read: &m3u8_rs::MediaPlaylist, base: &Url) -> Self {
        let tags = || read.segments.iter().flat_map(|segment| &segment.unknown_tags);
        // IVS uses the title `live` for the programme; without it, titles are names of songs and do not mark ads.
        let by_title = is_ivs(base)
            || tags().any(|tag| tag.tag.starts_with("X-TWITCH"))
            || read.segments.iter().any(|segment| inf(&segment.unknown_tags).1 == "live");
        let spans = tags().filter(|tag| tag.tag == RANGE).filter_map(|tag| span(tag.rest.as_deref()?));
        Self { by_title, spans: union(spans.collect()), remaining_seconds: 0.0 }
    }

    /// Returns true if `at`, in seconds since 1970, is within one of the spans.
    fn is_within(&self, at: f64) -> bool {
        let later = self.spans.partition_point(|(from, _)| *from <= at);
        later.checked_sub(1).and_then(|last| self.spans.get(last)).is_some_and(|(_, to)| at < *to)
    }

    /// Returns true if the next segment is an ad. `date` is its date in seconds since 1970, or `None` if it is unknown,
    /// and `seconds` its duration.
    pub(super) fn next(&mut self, tags: &[ExtTag], title: &str, date: Option<f64>, seconds: f64) -> bool {
        for tag in tags {
            let rest = tag.rest.as_deref().unwrap_or_default();
            match tag.tag.as_str() {
                "X-CUE-OUT" => self.remaining_seconds = duration(rest).unwrap_or(DEFAULT_AD_SECONDS),
                // A client that joins within an ad receives only this tag. If the ad is known already, the tag only
                // repeats it.
                "X-CUE-OUT-CONT" if self.remaining_seconds <= 0.0 => {
                    self.remaining_seconds = remaining(rest).unwrap_or(DEFAULT_AD_SECONDS);
                }
                "X-CUE-IN" => self.remaining_seconds = 0.0,
                RANGE => self.cue(rest),
                _ => {}
            }
        }
        // The tolerance is half a segment, because cues and segments do not end at the same frame.
        let cued = self.remaining_seconds > seconds / 2.0;
        self.remaining_seconds -= seconds;
        // The middle is compared, because the boundaries of date ranges and segments differ by rounding.
        let middle = date.map(|date| date + seconds / 2.0);
        let within = middle.is_some_and(|at| self.is_within(at));
        let titled = self.by_title && !title.is_empty() && title != "live";
        cued || within || titled
    }

    fn cue(&mut self, list: &str) {
        let list = Attributes::parse(list);
        if list.get("SCTE35-IN").is_some() {
            self.remaining_seconds = 0.0;
        } else if list.get("SCTE35-OUT").is_some() {
            self.remaining_seconds = seconds(&list).unwrap_or(DEFAULT_AD_SECONDS);
        }
    }
}

/// Sorts the spans and merges spans that overlap. Empty spans are removed.
fn union(mut spans: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    spans.retain(|(from, to)| from < to);
    spans.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut union: Vec<(f64, f64)> = Vec::new();
    for (from, to) in spans {
        match union.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => union.push((from, to)),
        }
    }
    union
}

fn is_ivs(base: &Url) -> bool {
    base.host_str().is_some_and(|host| host.ends_with(".live-video.net") || host.ends_with(".ttvnw.net"))
}

/// Returns the start and end of a date range in seconds since 1970, or `None` if its class does not mark it as an ad.
fn span(list: &str) -> Option<(f64, f64)> {
    let list = Attributes::parse(list);
    let class = list.get("CLASS")?.to_ascii_lowercase();
    // Whole words, so that classes such as `loading` or `broadcast` are not ads.
    if !class.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| matches!(word, "ad" | "ads" | "advert"))
    {
        return None;
    }
    let from = epoch_seconds(list.get("START-DATE")?)?;
    let to = list.get("END-DATE").and_then(epoch_seconds);
    Some((from, to.unwrap_or(from + seconds(&list).unwrap_or(DEFAULT_AD_SECONDS))))
}

fn seconds(list: &Attributes<'_>) -> Option<f64> {
    let text = list.get("DURATION").or_else(|| list.get("PLANNED-DURATION"))?;
    text.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0)
}

/// Parses the ad duration in seconds from `30` or `DURATION=30`. Returns `None` if it is missing or invalid.
fn duration(rest: &str) -> Option<f64> {
    rest.trim().parse().ok().filter(|seconds| *seconds > 0.0).or_else(|| seconds(&Attributes::parse(rest)))
}

/// Parses the remaining seconds of an ad from `ElapsedTime=10,Duration=30` or `10/30`. Returns `None` for other text.
fn remaining(rest: &str) -> Option<f64> {
    let (elapsed, whole) = match rest.split_once('/') {
        Some((elapsed, whole)) => (elapsed.trim().parse::<f64>().ok()?, whole.trim().parse::<f64>().ok()?),
        None => {
            let list = Attributes::parse(rest);
            (list.get("ElapsedTime")?.parse::<f64>().ok()?, seconds(&list)?)
        }
    };
    Some((whole - elapsed).max(0.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn joined_spans_contain_the_same_times(
            spans in prop::collection::vec((0_u32..50, 0_u32..50), 0..20),
            at in 0_u32..50,
        ) {
            let spans: Vec<_> = spans.into_iter().map(|(from, to)| (f64::from(from), f64::from(to))).collect();
            let at = f64::from(at);
            let expected = spans.iter().any(|(from, to)| (*from..*to).contains(&at));
            let ads = AdDetector { by_title: false, spans: union(spans), remaining_seconds: 0.0 };
            prop_assert_eq!(ads.is_within(at), expected);
        }
    }
}

//! A match in a response, with its evidence.

use refrain_catalog::{Detection, Track};
use refrain_core::audio::ClockSource;
use refrain_core::matching::{Match, Segment};
use serde::Serialize;

use super::number::Decimals;
use super::track_fields::{ResponseMetadata, am_item_id};

/// The `ruleCode` of a match whose track has no rule.
const NO_RULE: &str = "notSubmitted";

/// One match in a response: a stretch of the unknown audio that matches a stretch of a track.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseMatch<'a> {
    rule_code: &'a str,
    match_type: &'static str,
    #[serde(rename = "amItemID")]
    am_item_id: String,
    match_time_in_unknown: Decimals<3>,
    match_duration_in_unknown: Decimals<3>,
    match_time_in_reference: Decimals<3>,
    /// Extension: `amItemID` of the better match that explains the same audio. `None` if this match is not an
    /// alternative.
    #[serde(skip_serializing_if = "Option::is_none")]
    alternative_of: Option<String>,
    metadata: ResponseMetadata,
    evidence: MatchEvidence<'a>,
}

/// The evidence for a match. identifyStream has none of these fields.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MatchEvidence<'a> {
    reference: &'a str,
    false_positive_probability: f64,
    aligned_landmarks: u32,
    matched_peaks: u32,
    expected_peaks: u32,
    /// Speed with six decimals. With three decimals, positions computed from it would be off by seconds after an hour.
    speed: Decimals<6>,
    pitch_cents: Decimals<1>,
    /// The segments of the match; empty and left out if there is only one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    segments: Vec<ResponseSegment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    airing: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_in_stream: Option<Decimals<3>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_offset: Option<Decimals<3>>,
}

/// A stretch of a match without lost or repeated audio, with its start in the input and in the track, and its duration,
/// in seconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseSegment {
    time_in_unknown: Decimals<3>,
    duration: Decimals<3>,
    time_in_reference: Decimals<3>,
}

/// Returns the segments of a match, or an empty list if it has only one.
fn segments(found: &Match) -> Vec<ResponseSegment> {
    // A single segment would only repeat the times of the match.
    let several = found.segments.iter().filter(|_| found.segments.len() > 1);
    let segment = |segment: &Segment| ResponseSegment {
        time_in_unknown: Decimals(segment.query_start),
        duration: Decimals(segment.query_end - segment.query_start),
        time_in_reference: Decimals(segment.reference_start),
    };
    several.map(segment).collect()
}

impl<'a> ResponseMatch<'a> {
    /// Creates the match of a track in a file. `matchTimeInUnknown` is the position in the file, in seconds.
    ///
    /// # Examples
    /// ```
    /// use refrain_app::response::{Response, ResponseMatch};
    /// use refrain_catalog::{ContentHash, Metadata, Track, TrackId, TrackNumber};
    /// use refrain_core::matching::Match;
    /// use uuid::Uuid;
    ///
    /// let track = Track {
    ///     number: TrackNumber(1),
    ///     id: TrackId(Uuid::from_u128(7)),
    ///     source: "song.flac".to_owned(),
    ///     content: ContentHash([0; 32]),
    ///     seconds: 194.6,
    ///     metadata: Metadata { title: Some("Song Title".to_owned()), ..Metadata::default() },
    ///     rule: None,
    ///     added_at: 0,
    ///     removed_at: None,
    /// };
    /// let found = Match {
    ///     track: track.number,
    ///     query_start: 2.0,
    ///     query_end: 14.5,
    ///     reference_start: 61.25,
    ///     speed: 1.0,
    ///     pitch_cents: 0.0,
    ///     false_positive_probability: 1e-12,
    ///     aligned_landmarks: 80,
    ///     expected_peaks: 200,
    ///     matched_peaks: 120,
    ///     segments: Vec::new(),
    /// };
    /// let json = serde_json::to_string(&Response::new("clip", vec![ResponseMatch::new(&found, &track)]))?;
    /// assert!(json.contains(r#""matchTimeInUnknown":2.000,"matchDurationInUnknown":12.500"#));
    /// assert!(json.contains(r#""metadata":{"Title":"Song Title","SongLengthInSeconds":"195"}"#));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn new(found: &Match, track: &'a Track) -> Self {
        Self {
            rule_code: track.rule.as_ref().map_or(NO_RULE, |rule| rule.as_str()),
            match_type: "audio",
            am_item_id: am_item_id(track.id),
            match_time_in_unknown: Decimals(found.query_start),
            match_duration_in_unknown: Decimals(found.query_end - found.query_start),
            match_time_in_reference: Decimals(found.reference_start),
            alternative_of: None,
            metadata: ResponseMetadata::of(&track.metadata, track.seconds),
            evidence: MatchEvidence {
                reference: &track.source,
                false_positive_probability: found.false_positive_probability,
                aligned_landmarks: found.aligned_landmarks,
                matched_peaks: found.matched_peaks,
                expected_peaks: found.expected_peaks,
                speed: Decimals(found.speed),
                pitch_cents: Decimals(found.pitch_cents),
                segments: segments(found),
                event: None,
                airing: None,
                time_in_stream: None,
                clock: None,
                clock_offset: None,
            },
        }
    }

    /// Marks the match as an alternative to the match with the track `best`, which explains the same audio better.
    #[must_use]
    pub fn alternative_of(self, best: &Track) -> Self {
        Self { alternative_of: Some(am_item_id(best.id)), ..self }
    }

    /// Creates the match of a detection in a stream, whose track is `track`. `matchTimeInUnknown` is the start of the
    /// airing in seconds since 1970.
    #[must_use]
    pub fn in_stream(detection: &Detection, track: &'a Track) -> Self {
        let found = Self::new(&detection.detected, track);
        let evidence = MatchEvidence {
            event: Some(detection.kind.as_str()),
            airing: Some(detection.id.to_string()),
            // The original identifyStream writes the time since 1970 for streams. The position in the stream is kept as
            // an extension.
            time_in_stream: Some(found.match_time_in_unknown),
            clock: detection.clock.map(ClockSource::as_str),
            clock_offset: detection.clock_offset.map(Decimals),
            ..found.evidence
        };
        Self { match_time_in_unknown: Decimals(detection.epoch()), evidence, ..found }
    }
}

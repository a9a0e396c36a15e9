//! A response and its matches.

use refrain_catalog::Track;
use refrain_core::matching::{Match, Segment};
use refrain_stream::ClockSource;
use serde::Serialize;

use super::number::Decimals;
use super::track_fields::{ResponseMetadata, am_item_id};
use super::{FOUND, INTERNAL, NOT_AUDIO, NOT_FOUND, OVER_LIMIT};

/// Rule code of a reference without a rule.
const NO_RULE: &str = "notSubmitted";

/// Response for one input, or for an event of a stream.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response<'a> {
    status_code: u16,
    status_description: String,
    #[serde(rename = "unknownAssetID")]
    unknown_asset_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_media_file_duration: Option<Decimals<3>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    matches: Vec<ResponseMatch<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<Vec<ResponseMatch<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Extension: description of the parts of the file that could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<&'a str>,
    /// Extension: ETag of the content of the object that this response is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    song: Option<SongField<'a>>,
}

/// Song and score, with the fields of the AWS sample.
#[derive(Debug, Serialize)]
struct SongField<'a> {
    song: Option<&'a str>,
    score: u32,
}

/// A part of the unknown audio that matches a part of a track.
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
    /// Extension: `amItemID` of the better match whose audio this match would explain as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    alternative_of: Option<String>,
    metadata: ResponseMetadata,
    evidence: MatchEvidence<'a>,
}

/// The evidence for a match. All of its fields are extensions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MatchEvidence<'a> {
    reference: &'a str,
    false_positive_probability: f64,
    aligned_landmarks: u32,
    matched_peaks: u32,
    expected_peaks: u32,
    /// Six decimals, because with three, times would be off by seconds after an hour.
    speed: Decimals<6>,
    pitch_cents: Decimals<1>,
    /// Only present if there are several segments.
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

/// A part of a match without lost or repeated audio. Its times are those in the file and those in the track.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseSegment {
    time_in_unknown: Decimals<3>,
    duration: Decimals<3>,
    time_in_reference: Decimals<3>,
}

/// Fields that only matches in streams have.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamFields {
    /// `start`, `update` or `final`.
    pub event: &'static str,
    /// Identity of the airing, the same in all its events.
    pub airing: String,
    /// Start of the airing in seconds since 1970, the `matchTimeInUnknown` of streams.
    pub epoch: f64,
    /// Source of the epoch times.
    pub clock: Option<ClockSource>,
    /// Seconds from the time that the stream declares for its newest audio to the arrival of this audio.
    pub clock_offset: Option<f64>,
}

impl<'a> Response<'a> {
    /// Creates a response with these matches, which may be empty.
    #[must_use]
    pub fn new(asset_id: &'a str, matches: Vec<ResponseMatch<'a>>) -> Self {
        let code = if matches.is_empty() { NOT_FOUND } else { FOUND };
        Self::with_code(asset_id, code, matches)
    }

    /// Creates a response for an input that could not be processed, with one of the codes of failures and the reason.
    #[must_use]
    pub fn failed(asset_id: &'a str, code: u16, error: String) -> Self {
        Self { error: Some(error), ..Self::with_code(asset_id, code, Vec::new()) }
    }

    fn with_code(asset_id: &'a str, code: u16, matches: Vec<ResponseMatch<'a>>) -> Self {
        Self {
            status_code: code,
            status_description: format!("Status {code} ({code}) {}", description(code)),
            unknown_asset_id: asset_id,
            unknown_media_file_duration: None,
            file: None,
            matches,
            rejected: None,
            explanation: None,
            error: None,
            damage: None,
            etag: None,
            song: None,
        }
    }

    /// Sets the name of the file. The original's responses do not have this field.
    #[must_use]
    pub fn with_file(self, name: &'a str) -> Self {
        Self { file: Some(name), ..self }
    }

    /// Sets the duration of the file in seconds.
    #[must_use]
    pub fn with_duration(self, seconds: f64) -> Self {
        Self { unknown_media_file_duration: Some(Decimals(seconds)), ..self }
    }

    /// Sets the description of the parts of the file that could not be read.
    #[must_use]
    pub fn with_damage(self, damage: Option<&'a str>) -> Self {
        Self { damage, ..self }
    }

    /// Sets the ETag of the object.
    #[must_use]
    pub fn with_etag(self, etag: Option<&'a str>) -> Self {
        Self { etag, ..self }
    }

    /// Sets the song with the most evidence and its number of matched peaks, as in the AWS sample.
    #[must_use]
    pub fn with_song(self, song: Option<&'a str>, score: u32) -> Self {
        Self { song: Some(SongField { song, score }), ..self }
    }

    /// Sets the candidates that were rejected.
    #[must_use]
    pub fn with_rejected(self, rejected: Vec<ResponseMatch<'a>>) -> Self {
        Self { rejected: Some(rejected), ..self }
    }

    /// Sets the explanation why nothing matched.
    #[must_use]
    pub fn with_explanation(self, explanation: Vec<String>) -> Self {
        Self { explanation: Some(explanation), ..self }
    }
}

fn description(code: u16) -> &'static str {
    match code {
        FOUND => "Match found",
        NOT_FOUND => "No match found",
        NOT_AUDIO => "No audio that can be decoded",
        OVER_LIMIT => "Input over a limit",
        INTERNAL => "Internal error",
        _ => "Input could not be read",
    }
}

/// Returns the segments of a match, if it has several.
fn segments(found: &Match) -> Vec<ResponseSegment> {
    let several = found.segments.iter().filter(|_| found.segments.len() > 1);
    let segment = |segment: &Segment| ResponseSegment {
        time_in_unknown: Decimals(segment.query_start),
        duration: Decimals(segment.query_end - segment.query_start),
        time_in_reference: Decimals(segment.reference_start),
    };
    several.map(segment).collect()
}

impl<'a> ResponseMatch<'a> {
    /// Creates the match of a track. Its time is that in a file.
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

    /// Marks the match as an alternative explanation of the audio of the match with `best`.
    #[must_use]
    pub fn alternative_of(self, best: &Track) -> Self {
        Self { alternative_of: Some(am_item_id(best.id)), ..self }
    }

    /// Converts the match to one in a stream: its time becomes a time of day.
    #[must_use]
    pub fn in_stream(mut self, in_stream: &StreamFields) -> Self {
        let clock = |source| match source {
            ClockSource::ProgramDateTime => "programDateTime",
            ClockSource::Arrival => "arrival",
        };
        self.evidence.time_in_stream = Some(self.match_time_in_unknown);
        self.match_time_in_unknown = Decimals(in_stream.epoch);
        self.evidence.event = Some(in_stream.event);
        self.evidence.airing = Some(in_stream.airing.clone());
        self.evidence.clock = in_stream.clock.map(clock);
        self.evidence.clock_offset = in_stream.clock_offset.map(Decimals);
        self
    }
}

//! The JSON response, field by field in the order that identifyStream writes.

use std::collections::HashMap;

use refrain_catalog::{ResponseMetadata, Track, TrackNumber};
use refrain_core::matching::{Alternative, Match};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::input::{INTERNAL, InputError, NOT_AUDIO, OVER_LIMIT};
use super::{Answer, Show, explain};

const FOUND: u16 = 2006;
const NOT_FOUND: u16 = 2005;
/// Rule code of a reference without a rule.
const NO_RULE: &str = "notSubmitted";

/// Answer to one input.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Response<'a> {
    status_code: u16,
    status_description: String,
    #[serde(rename = "unknownAssetID")]
    unknown_asset_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_media_file_duration: Option<Decimals<3>>,
    file: &'a str,
    matches: Vec<ResponseMatch<'a>>,
    /// Ours, with `--all`: candidates that were rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<Vec<ResponseMatch<'a>>>,
    /// Ours, with `--explain`: why nothing matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Vec<String>>,
    /// Ours: why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseMatch<'a> {
    rule_code: &'a str,
    match_type: &'static str,
    #[serde(rename = "amItemID")]
    am_item_id: String,
    match_time_in_unknown: Decimals<3>,
    match_duration_in_unknown: Decimals<3>,
    match_time_in_reference: Decimals<3>,
    /// Ours: the `amItemID` of the match whose sound this one would explain too, less well.
    #[serde(skip_serializing_if = "Option::is_none")]
    alternative_of: Option<String>,
    metadata: ResponseMetadata,
    evidence: Evidence<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Evidence<'a> {
    reference: &'a str,
    false_positive_probability: f64,
    aligned_landmarks: u32,
    matched_peaks: u32,
    expected_peaks: u32,
    /// Six places: over an hour, three would be off by seconds.
    speed: Decimals<6>,
    pitch_cents: Decimals<1>,
}

/// A number with so many decimals, also where they are zeros.
#[derive(Debug, Clone, Copy)]
struct Decimals<const N: usize>(f64);

impl<const N: usize> Serialize for Decimals<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // -0.0004 would come out as "-0.000".
        let number = if self.0.abs() < 0.5 * 10f64.powi(-(N as i32)) { 0.0 } else { self.0 };
        let text = if number.is_finite() { format!("{number:.N$}") } else { "null".to_owned() };
        RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'a> Response<'a> {
    /// The response to an input; `tracks` knows every track of its matches.
    pub(crate) fn new(
        file: &'a str,
        asset_id: &'a str,
        answer: Result<&Answer, &InputError>,
        tracks: &'a HashMap<TrackNumber, Track>,
        show: Show,
    ) -> Self {
        let list = |found: &mut dyn Iterator<Item = &Match>| -> Vec<_> {
            found.filter_map(|found| ResponseMatch::new(found, tracks.get(&found.track)?)).collect()
        };
        let mut matches = answer.map_or_else(|_| Vec::new(), |answer| list(&mut answer.matches.found.iter()));
        if let Ok(answer) = answer {
            matches.extend(answer.matches.alternatives.iter().filter_map(|other| alternative(other, tracks)));
        }
        let code = match answer {
            Err(error) => error.code,
            Ok(_) if matches.is_empty() => NOT_FOUND,
            Ok(_) => FOUND,
        };
        let answered = answer.ok();
        Self {
            status_code: code,
            status_description: format!("Status {code} ({code}) {}", description(code)),
            unknown_asset_id: asset_id,
            unknown_media_file_duration: answered.map(|answer| Decimals(answer.seconds)),
            file,
            rejected: answered
                .filter(|_| show.all)
                .map(|answer| list(&mut answer.matches.rejected.iter().map(|rejected| &rejected.best))),
            explanation: answered
                .filter(|_| show.explain && matches.is_empty())
                .map(|answer| explain::reasons(answer, tracks, show)),
            error: answer.err().map(ToString::to_string),
            matches,
        }
    }
}

fn alternative<'a>(
    other: &Alternative,
    tracks: &'a HashMap<TrackNumber, Track>,
) -> Option<ResponseMatch<'a>> {
    let of = tracks.get(&other.of)?.id.am_item_id();
    let shown = ResponseMatch::new(&other.best, tracks.get(&other.best.track)?)?;
    Some(ResponseMatch { alternative_of: Some(of), ..shown })
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

impl<'a> ResponseMatch<'a> {
    fn new(found: &Match, track: &'a Track) -> Option<Self> {
        Some(Self {
            rule_code: track.rule.as_ref().map_or(NO_RULE, |rule| rule.as_str()),
            match_type: "audio",
            am_item_id: track.id.am_item_id(),
            match_time_in_unknown: Decimals(found.query_start),
            match_duration_in_unknown: Decimals(found.query_end - found.query_start),
            match_time_in_reference: Decimals(found.reference_start),
            alternative_of: None,
            metadata: track.metadata.to_response(track.seconds),
            evidence: Evidence {
                reference: &track.source,
                false_positive_probability: found.false_positive_probability,
                aligned_landmarks: found.aligned_landmarks,
                matched_peaks: found.matched_peaks,
                expected_peaks: found.expected_peaks,
                speed: Decimals(found.speed),
                pitch_cents: Decimals(found.pitch_cents),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_decimals() {
        let json = |n| serde_json::to_string(&Decimals::<3>(n)).unwrap();
        assert_eq!(json(20.0), "20.000");
        assert_eq!(json(1_659_370_072.793_1), "1659370072.793");
        assert_eq!(json(-0.0004), "0.000");
        assert_eq!(json(f64::NAN), "null");
    }
}

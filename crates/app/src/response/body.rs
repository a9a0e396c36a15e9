//! The JSON body of a response.

use serde::Serialize;

use super::number::Decimals;
use super::response_match::ResponseMatch;
use super::{FOUND, INTERNAL, NOT_AUDIO, NOT_FOUND, OVER_LIMIT};

/// The response for one input or for one event of a stream. It is serialized to the JSON of identifyStream.
///
/// # Examples
/// ```
/// use refrain_app::response::{Response, UNREADABLE};
///
/// let json = serde_json::to_value(Response::new("clip", Vec::new()).with_duration(20.0))?;
/// assert_eq!(json["statusCode"], 2005);
/// assert_eq!(json["unknownMediaFileDuration"], 20.0);
/// let json = serde_json::to_value(Response::failed("clip", UNREADABLE, "no such file".to_owned()))?;
/// assert_eq!(json["error"], "no such file");
/// # Ok::<(), serde_json::Error>(())
/// ```
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
    /// Extension: description of the parts of the file that could not be read; `None` if all could.
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<&'a str>,
    /// Extension: ETag of the S3 object that was identified; `None` if the input is not an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    song: Option<SongField<'a>>,
}

/// The best song and its score. The reports of the AWS sample of song identification have these two fields, and the
/// responses of identifyStream do not (docs/deploy.md).
#[derive(Debug, Serialize)]
struct SongField<'a> {
    song: Option<&'a str>,
    score: u32,
}

impl<'a> Response<'a> {
    /// Creates a response with these matches. Its status code is [`NOT_FOUND`](super::NOT_FOUND) if the list is empty,
    /// and otherwise [`FOUND`](super::FOUND).
    #[must_use]
    pub fn new(asset_id: &'a str, matches: Vec<ResponseMatch<'a>>) -> Self {
        let code = if matches.is_empty() { NOT_FOUND } else { FOUND };
        Self::with_code(asset_id, code, matches)
    }

    /// Creates a response for an input that could not be processed. `code` is a status code from 2900 to 2909, and
    /// `error` is the reason.
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

    /// Sets the name of the input file. The responses of the original identifyStream do not have this field.
    #[must_use]
    pub fn with_file(self, name: &'a str) -> Self {
        Self { file: Some(name), ..self }
    }

    /// Sets the duration of the input in seconds.
    #[must_use]
    pub fn with_duration(self, seconds: f64) -> Self {
        Self { unknown_media_file_duration: Some(Decimals(seconds)), ..self }
    }

    /// Sets the description of the parts of the file that could not be read; `None` if all could.
    #[must_use]
    pub fn with_damage(self, damage: Option<&'a str>) -> Self {
        Self { damage, ..self }
    }

    /// Sets the ETag of the S3 object that was identified; `None` leaves the field out.
    #[must_use]
    pub fn with_etag(self, etag: Option<&'a str>) -> Self {
        Self { etag, ..self }
    }

    /// Sets the name of the best song and its number of matched peaks, as in the reports of the AWS sample of song
    /// identification. Without a match, the song is `None` and written as `null`.
    #[must_use]
    pub fn with_song(self, song: Option<&'a str>, score: u32) -> Self {
        Self { song: Some(SongField { song, score }), ..self }
    }

    /// Adds the field `rejected` with the candidates that were not accepted as matches. It is written even if the list
    /// is empty.
    #[must_use]
    pub fn with_rejected(self, rejected: Vec<ResponseMatch<'a>>) -> Self {
        Self { rejected: Some(rejected), ..self }
    }

    /// Adds the field `explanation` with the reasons why nothing matched.
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

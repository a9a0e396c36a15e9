//! Keys of objects and paths of files, filled in from templates.

use chrono::{DateTime, Local, Utc};
use refrain_catalog::DetectionId;

use refrain_app::response::{file_name, safe_name};

/// Maximum length of a key, in bytes. This is the limit of S3.
pub const MAX_KEY_BYTES: usize = 1024;

/// Maximum length of a part of a key between two slashes, in bytes. File systems allow 255 bytes (`NAME_MAX` of Linux);
/// the other 15 are for the number that is added if the key is in use. At twice this value, the folder sink could not
/// create the file. At half this value, names of streams with more than 120 bytes are cut, although file systems can
/// store them.
const MAX_PART_BYTES: usize = 240;

/// Bytes that are reserved for the number that distinguishes results with the same key: `_` and six digits. The highest
/// number, `MAX_KEY_NUMBER`, has five digits, so one digit is spare. With fewer bytes, a numbered key could be longer
/// than [`MAX_KEY_BYTES`].
const NUMBER_SUFFIX_BYTES: usize = 7;

/// Default template of keys.
pub const DEFAULT_KEY: &str = "{stream_id}/{file}";

/// The placeholders of templates: name in braces, value that replaces the placeholder, and maximum length of this value
/// in bytes.
const FIELDS: [(&str, Field, usize); 6] = [
    ("stream_id", Field::StreamId, 200),
    ("file", Field::File, MAX_PART_BYTES),
    ("date", Field::Date, 8),
    ("channel", Field::Channel, 200),
    ("detection", Field::Detection, 36),
    ("event", Field::Event, 200),
];

/// A template of keys, for example `{date}/{stream_id}/{file}`.
///
/// For all values of the placeholders, the key has at most [`MAX_KEY_BYTES`] bytes, does not begin with a slash, and
/// has no part that is empty, `.` or `..`. So the path of a file never leaves the folder of its sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate(Vec<TemplatePiece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePiece {
    Text(String),
    Field(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    StreamId,
    File,
    Date,
    Channel,
    Detection,
    Event,
}

/// Error of an invalid template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyTemplateError {
    /// The template contains an unknown name in braces.
    #[error(
        "unknown name {{{0}}}; use {{stream_id}}, {{file}}, {{date}}, {{channel}}, {{detection}} or {{event}}"
    )]
    Unknown(String),
    /// A brace has no matching brace.
    #[error("unmatched brace; placeholders are written in braces, for example {{file}}")]
    Brace,
    /// The template contains a character that is not allowed in keys.
    #[error("invalid character {0:?}; keys contain no backslashes and no control characters")]
    Character(char),
    /// A part between two slashes is empty, `.` or `..`.
    #[error(
        "no part between slashes may be empty, `.` or `..`, and the key may not begin or end with a slash"
    )]
    Part,
    /// The template has no placeholder that distinguishes results, so all results would have the same key.
    #[error(
        "the template has neither {{file}} nor {{detection}}, so that every result would have the same name"
    )]
    NotUnique,
    /// The keys can be longer than [`MAX_KEY_BYTES`]. The value is their maximum length in bytes.
    #[error(
        "keys could have {0} bytes, including {NUMBER_SUFFIX_BYTES} for the number that is added to a key in use; the \
         maximum is {MAX_KEY_BYTES}; shorten the template"
    )]
    TooLong(usize),
}

/// Values of the placeholders.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyValues<'a> {
    pub(super) stream_id: &'a str,
    /// ARN of the channel; `None` if the stream has no channel.
    pub(super) channel: Option<&'a str>,
    /// Id of the airing; `None` for results without an airing.
    pub(super) detection: Option<DetectionId>,
    pub(super) event: &'a str,
    pub(super) at: DateTime<Local>,
}

impl KeyTemplate {
    /// Parses and checks a template.
    ///
    /// # Errors
    /// [`KeyTemplateError`] with the reason why the template is invalid.
    pub fn parse(text: &str) -> Result<Self, KeyTemplateError> {
        if let Some(bad) = text.chars().find(|c| c.is_control() || *c == '\\') {
            return Err(KeyTemplateError::Character(bad));
        }
        // The value of a placeholder is never empty, `.` or `..`, so only the text around placeholders can be wrong.
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(KeyTemplateError::Part);
        }
        let pieces = pieces(text)?;
        let distinguishing = [TemplatePiece::Field(Field::File), TemplatePiece::Field(Field::Detection)];
        if !pieces.iter().any(|piece| distinguishing.contains(piece)) {
            return Err(KeyTemplateError::NotUnique);
        }
        // The maximum length is checked when the template is parsed, so that an operator sees the error at the start.
        // Then no value of a placeholder can cause an error during a delivery.
        let max_len = pieces.iter().map(TemplatePiece::max_len).sum::<usize>() + NUMBER_SUFFIX_BYTES;
        if max_len > MAX_KEY_BYTES {
            return Err(KeyTemplateError::TooLong(max_len));
        }
        Ok(Self(pieces))
    }

    /// Fills in the placeholders. Returns the key without the number that a sink adds if the key is in use.
    pub(super) fn fill(&self, with: &KeyValues<'_>) -> String {
        let mut key = String::new();
        for piece in &self.0 {
            match piece {
                TemplatePiece::Text(text) => key.push_str(text),
                TemplatePiece::Field(field) => key.push_str(&field.value(with)),
            }
        }
        // Parts are cut after they are filled in: text and placeholder together form the name of a folder or file,
        // whose length the file system limits.
        let parts: Vec<_> = key.split('/').map(short).collect();
        parts.join("/")
    }
}

impl Default for KeyTemplate {
    fn default() -> Self {
        let pieces = [
            TemplatePiece::Field(Field::StreamId),
            TemplatePiece::Text("/".to_owned()),
            TemplatePiece::Field(Field::File),
        ];
        Self(pieces.into())
    }
}

fn pieces(text: &str) -> Result<Vec<TemplatePiece>, KeyTemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (before, after) = rest.split_at(rest.find(['{', '}']).unwrap_or(rest.len()));
        if !before.is_empty() {
            pieces.push(TemplatePiece::Text(before.to_owned()));
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
        let (name, after) =
            rest.strip_prefix('{').and_then(|inner| inner.split_once('}')).ok_or(KeyTemplateError::Brace)?;
        if name.contains('{') {
            return Err(KeyTemplateError::Brace);
        }
        let known = FIELDS.iter().find(|(known, ..)| *known == name);
        let (_, field, _) = known.ok_or_else(|| KeyTemplateError::Unknown(name.to_owned()))?;
        pieces.push(TemplatePiece::Field(*field));
        rest = after;
    }
    Ok(pieces)
}

impl TemplatePiece {
    /// Returns the maximum length in bytes of the text that this piece adds to a key.
    fn max_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Field(field) => FIELDS
                .iter()
                .find(|(_, known, _)| known == field)
                .map_or(MAX_PART_BYTES, |(.., max_len)| *max_len),
        }
    }
}

impl Field {
    fn value(self, with: &KeyValues<'_>) -> String {
        match self {
            Self::StreamId => safe_name(with.stream_id),
            // The number is always 1. If the name is in use, the sink chooses a higher number: only the sink can find
            // out which names are in use.
            Self::File => file_name(with.stream_id, &with.at, 1),
            // The date is in UTC: processes in different time zones share one bucket, and the date in a key must not
            // depend on the process that delivers.
            Self::Date => with.at.with_timezone(&Utc).format("%Y%m%d").to_string(),
            Self::Channel => match with.channel.and_then(|arn| arn.rsplit(['/', ':']).next()) {
                Some(name) if !name.is_empty() => safe_name(name),
                // A stream without a channel has its own name in place of the channel: S3 shows an empty part of a key
                // as a folder without a name.
                _ => safe_name(with.stream_id),
            },
            Self::Detection => with.detection.map_or_else(|| "none".to_owned(), |id| id.to_string()),
            Self::Event => safe_name(with.event),
        }
    }
}

/// Cuts a part of a key to at most [`MAX_PART_BYTES`] bytes. The ending `.json` is kept.
fn short(part: &str) -> String {
    if part.len() <= MAX_PART_BYTES {
        return part.to_owned();
    }
    let (stem, ending) = split_ending(part);
    let max_stem = MAX_PART_BYTES.saturating_sub(ending.len());
    format!("{}{ending}", &stem[..stem.floor_char_boundary(max_stem)])
}

/// Returns the key for the `number`th result that has the key `key`. The first result has no number; the others have
/// `_2`, `_3` … before `.json`.
pub(super) fn numbered(key: &str, number: u32) -> String {
    if number < 2 {
        return key.to_owned();
    }
    let (stem, ending) = split_ending(key);
    format!("{stem}_{number}{ending}")
}

fn split_ending(key: &str) -> (&str, &str) {
    const ENDING: &str = ".json";
    key.strip_suffix(ENDING).map_or((key, ""), |stem| (stem, ENDING))
}

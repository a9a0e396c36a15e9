//! Keys of objects and paths of files, filled in from templates.

use chrono::{DateTime, Local, Utc};
use refrain_catalog::DetectionId;

use crate::response::{file_name, safe_name};

/// Most bytes of a key: those of S3.
pub const LONGEST_KEY: usize = 1024;

/// Most bytes between two slashes: file systems allow 255, and a number is still to come.
const LONGEST_PART: usize = 240;

/// Room for the number of a second result with one key, bytes: `_` and six digits.
const NUMBER_ROOM: usize = 7;

/// The template that stands where nobody gave one.
pub const DEFAULT_KEY: &str = "{stream_id}/{file}";

/// What a template fills in, with the most bytes of it.
const FIELDS: [(&str, Field, usize); 6] = [
    ("stream_id", Field::StreamId, 200),
    ("file", Field::File, LONGEST_PART),
    ("date", Field::Date, 8),
    ("channel", Field::Channel, 200),
    ("detection", Field::Detection, 36),
    ("event", Field::Event, 200),
];

/// A template of keys, for example `{date}/{stream_id}/{file}`.
///
/// Whatever is filled in, the key has at most [`LONGEST_KEY`] bytes, begins with no slash and has no part that is empty,
/// `.` or `..`: below a folder it leads nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
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

/// A template that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A name in braces that is not known.
    #[error(
        "{{{0}}} is not known; {{stream_id}}, {{file}}, {{date}}, {{channel}}, {{detection}} and {{event}} are"
    )]
    Unknown(String),
    /// A brace without its partner.
    #[error("a brace has no partner; what is filled in stands in braces, as {{file}} does")]
    Brace,
    /// A character that keys do not have.
    #[error("{0:?} may not stand in a key")]
    Character(char),
    /// A part that leads elsewhere.
    #[error(
        "no part between slashes may be empty, `.` or `..`, and the key may not begin or end with a slash"
    )]
    Part,
    /// Every result would have the same key.
    #[error("it has neither {{file}} nor {{detection}}, so that every result would have the same name")]
    Same,
    /// Filled in it could be longer than allowed.
    #[error("filled in it may have {0} bytes; {LONGEST_KEY} are the most, with room for a number")]
    Long(usize),
}

/// What is filled in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling<'a> {
    pub(super) stream_id: &'a str,
    /// ARN.
    pub(super) channel: Option<&'a str>,
    pub(super) detection: Option<DetectionId>,
    pub(super) event: &'a str,
    pub(super) at: DateTime<Local>,
}

impl KeyTemplate {
    /// Checks a template.
    ///
    /// # Errors
    /// [`KeyError`], in words for whoever wrote it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if let Some(bad) = text.chars().find(|c| c.is_control() || *c == '\\') {
            return Err(KeyError::Character(bad));
        }
        // A name in braces is something, and none is a dot: what is left is about the text around them.
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(KeyError::Part);
        }
        let pieces = pieces(text)?;
        let tells_apart = [Piece::Field(Field::File), Piece::Field(Field::Detection)];
        if !pieces.iter().any(|piece| tells_apart.contains(piece)) {
            return Err(KeyError::Same);
        }
        let longest = pieces.iter().map(Piece::longest).sum::<usize>() + NUMBER_ROOM;
        if longest > LONGEST_KEY {
            return Err(KeyError::Long(longest));
        }
        Ok(Self(pieces))
    }

    /// The key, without a number.
    pub(super) fn fill(&self, with: &Filling<'_>) -> String {
        let mut key = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => key.push_str(text),
                Piece::Field(field) => key.push_str(&field.value(with)),
            }
        }
        let parts: Vec<_> = key.split('/').map(short).collect();
        parts.join("/")
    }
}

impl Default for KeyTemplate {
    fn default() -> Self {
        let pieces = [Piece::Field(Field::StreamId), Piece::Text("/".to_owned()), Piece::Field(Field::File)];
        Self(pieces.into())
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, KeyError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (before, behind) = rest.split_at(rest.find(['{', '}']).unwrap_or(rest.len()));
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        rest = behind;
        if rest.is_empty() {
            break;
        }
        let (name, behind) =
            rest.strip_prefix('{').and_then(|inner| inner.split_once('}')).ok_or(KeyError::Brace)?;
        if name.contains('{') {
            return Err(KeyError::Brace);
        }
        let known = FIELDS.iter().find(|(known, ..)| *known == name);
        let (_, field, _) = known.ok_or_else(|| KeyError::Unknown(name.to_owned()))?;
        pieces.push(Piece::Field(*field));
        rest = behind;
    }
    Ok(pieces)
}

impl Piece {
    /// Most bytes that it makes.
    fn longest(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Field(field) => FIELDS
                .iter()
                .find(|(_, known, _)| known == field)
                .map_or(LONGEST_PART, |(.., longest)| *longest),
        }
    }
}

impl Field {
    fn value(self, with: &Filling<'_>) -> String {
        match self {
            Self::StreamId => safe_name(with.stream_id),
            Self::File => file_name(with.stream_id, &with.at, 1),
            Self::Date => with.at.with_timezone(&Utc).format("%Y%m%d").to_string(),
            Self::Channel => match with.channel.and_then(|arn| arn.rsplit(['/', ':']).next()) {
                Some(name) if !name.is_empty() => safe_name(name),
                _ => safe_name(with.stream_id),
            },
            Self::Detection => with.detection.map_or_else(|| "none".to_owned(), |id| id.to_string()),
            Self::Event => safe_name(with.event),
        }
    }
}

/// A part that is too long for file systems is cut before its ending.
fn short(part: &str) -> String {
    if part.len() <= LONGEST_PART {
        return part.to_owned();
    }
    let (stem, ending) = halves(part);
    let room = LONGEST_PART.saturating_sub(ending.len());
    format!("{}{ending}", &stem[..stem.floor_char_boundary(room)])
}

/// A key with its number: the first has none, the others `_2`, `_3` … before `.json`.
pub(super) fn numbered(key: &str, number: u32) -> String {
    if number < 2 {
        return key.to_owned();
    }
    let (stem, ending) = halves(key);
    format!("{stem}_{number}{ending}")
}

fn halves(key: &str) -> (&str, &str) {
    const ENDING: &str = ".json";
    key.strip_suffix(ENDING).map_or((key, ""), |stem| (stem, ENDING))
}

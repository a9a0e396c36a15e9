//! Variables of playlists (RFC 8216bis sections 4.3 and 4.4.2.3).
//!
//! EXT-X-DEFINE defines a variable: with a value (NAME and VALUE), with the value of the same variable of the master
//! playlist (IMPORT), or with the value of a parameter in the query of the playlist's URL (QUERYPARAM). After it, each
//! `{$name}` in a URI, in a quoted attribute value or in a hexadecimal attribute value is replaced by the value.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use url::Url;

use super::attributes::Attributes;
use super::rewrite::MAX_LINE_BYTES;
use super::{MAX_PLAYLIST_BYTES, PlaylistError};

#[cfg(test)]
mod tests;

/// Maximum length of a variable's name in an error, characters. Names of real playlists have less than 20. At half this
/// value, long names of two variables look equal; at twice this value, a hostile name fills two lines of a log.
const MAX_SHOWN_CHARS: usize = 64;

/// Reason why the variables of a playlist (EXT-X-DEFINE) cannot be used. Contains names of variables, never values,
/// because a value can be a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VariableError {
    /// The playlist uses a variable that no EXT-X-DEFINE before the reference defines.
    #[error("variable {0} is used, but no EXT-X-DEFINE before it defines it; correct the playlist")]
    Undefined(String),
    /// Two EXT-X-DEFINE of the playlist define the same variable.
    #[error("EXT-X-DEFINE defines variable {0} twice; correct the playlist")]
    Duplicate(String),
    /// IMPORT names a variable that the master playlist does not define.
    #[error(
        "EXT-X-DEFINE imports variable {0}, but the master playlist does not define it; correct the playlist"
    )]
    NotInMaster(String),
    /// IMPORT is used in a master playlist, or in a media playlist that was not loaded through a master playlist.
    #[error(
        "EXT-X-DEFINE imports variable {0}, but no master playlist was loaded; use the URL of the master playlist"
    )]
    NoMaster(String),
    /// QUERYPARAM names a parameter that is missing or empty in the query of the playlist's URL.
    #[error(
        "EXT-X-DEFINE needs the query parameter {0}, which is missing in the URL of the playlist; add it to the URL"
    )]
    NoParameter(String),
    /// A name contains other characters than letters, digits, `-` and `_`.
    #[error("EXT-X-DEFINE has the invalid variable name {0}; correct the playlist")]
    InvalidName(String),
    /// A value contains a quote or a control character.
    #[error("variable {0} has a value with a quote or control character; correct the playlist or its URL")]
    InvalidValue(String),
    /// EXT-X-DEFINE has not exactly one of NAME, IMPORT and QUERYPARAM, or NAME has no VALUE.
    #[error("EXT-X-DEFINE needs either NAME with VALUE, or IMPORT, or QUERYPARAM; correct the playlist")]
    Malformed,
}

/// Variables with their values. `Debug` prints only the names, because a value can be a token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Replaces the variables in the lines of a playlist, which must be passed in their order.
pub(super) struct Substitution<'a> {
    /// URL of the playlist, after redirects.
    url: &'a Url,
    /// Variables of the master playlist that lists this playlist; `None` without a master playlist.
    master: Option<&'a Variables>,
    variables: Variables,
    /// Total length of the lines in which variables were replaced, bytes.
    replaced_bytes: u64,
}

impl<'a> Substitution<'a> {
    pub(super) fn new(url: &'a Url, master: Option<&'a Variables>) -> Self {
        Self { url, master, variables: Variables::default(), replaced_bytes: 0 }
    }

    /// Returns the variables that the lines so far define.
    pub(super) fn into_variables(self) -> Variables {
        self.variables
    }

    /// Returns the line with its variables replaced. Defines the variable if the line is an EXT-X-DEFINE.
    ///
    /// # Errors
    /// Fails if the line uses an undefined variable, if it is an invalid EXT-X-DEFINE, or if the lines with their
    /// values exceed a limit.
    pub(super) fn line<'t>(&mut self, line: &'t str) -> Result<Cow<'t, str>, PlaylistError> {
        let line = if line.contains("{$") { self.replace_in_line(line)? } else { Cow::Borrowed(line) };
        if let Some(list) = line.strip_prefix("#EXT-X-DEFINE:") {
            self.define(&Attributes::parse(list))?;
        }
        Ok(line)
    }

    fn replace_in_line<'t>(&mut self, line: &'t str) -> Result<Cow<'t, str>, PlaylistError> {
        let mut out = String::with_capacity(line.len());
        if !line.starts_with('#') {
            self.replace(line, &mut out)?;
            // A value must not turn a URI into a tag or an empty line.
            if out.is_empty() || out.starts_with('#') {
                out.insert_str(0, "./");
            }
        } else if line.starts_with("#EXT-X-") {
            for (index, text) in line.split('"').enumerate() {
                if index > 0 {
                    out.push('"');
                }
                if index % 2 == 1 {
                    self.replace(text, &mut out)?;
                } else {
                    self.replace_unquoted(text, &mut out)?;
                }
            }
        } else {
            return Ok(Cow::Borrowed(line));
        }
        // A short line can become long, so the limit of the playlist also holds for the result.
        self.replaced_bytes = self.replaced_bytes.saturating_add(out.len() as u64);
        if self.replaced_bytes > MAX_PLAYLIST_BYTES {
            Err(PlaylistError::TooLarge(MAX_PLAYLIST_BYTES))
        } else {
            Ok(Cow::Owned(out))
        }
    }

    /// Appends the text between two quoted values to `out`, and replaces variables in its hexadecimal values.
    fn replace_unquoted(&self, text: &str, out: &mut String) -> Result<(), PlaylistError> {
        for (index, attribute) in text.split(',').enumerate() {
            if index > 0 {
                out.push(',');
            }
            if is_hexadecimal(attribute) { self.replace(attribute, out)? } else { out.push_str(attribute) }
        }
        Ok(())
    }

    /// Appends `text` to `out` with its variables replaced. Values are not searched for variables again.
    fn replace(&self, text: &str, out: &mut String) -> Result<(), PlaylistError> {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{$") {
            out.push_str(before);
            let end = after.find(|c: char| !is_name_char(c)).unwrap_or(after.len());
            let (name, tail) = after.split_at(end);
            rest = match tail.strip_prefix('}').filter(|_| !name.is_empty()) {
                Some(tail) => {
                    let value = self.variables.0.get(name);
                    out.push_str(value.ok_or_else(|| VariableError::Undefined(shown(name)))?);
                    tail
                }
                // Text such as `{$}` is not a reference.
                None => {
                    out.push_str("{$");
                    after
                }
            };
            // Checked for each reference, because one line can contain thousands of references to a long value.
            if out.len() > MAX_LINE_BYTES {
                return Err(PlaylistError::LongLine(MAX_LINE_BYTES));
            }
        }
        out.push_str(rest);
        Ok(())
    }

    fn define(&mut self, list: &Attributes<'_>) -> Result<(), VariableError> {
        let (name, value) = match ["NAME", "IMPORT", "QUERYPARAM"].map(|attribute| list.get(attribute)) {
            [Some(name), None, None] => (name, list.raw("VALUE").ok_or(VariableError::Malformed)?.to_owned()),
            [None, Some(name), None] => (name, self.imported(name)?),
            [None, None, Some(name)] => (name, self.parameter(name)?),
            _ => return Err(VariableError::Malformed),
        };
        if !name.chars().all(is_name_char) {
            return Err(VariableError::InvalidName(shown(name)));
        }
        if value.contains(|c: char| c == '"' || c.is_control()) {
            return Err(VariableError::InvalidValue(shown(name)));
        }
        match self.variables.0.insert(name.to_owned(), value) {
            Some(_) => Err(VariableError::Duplicate(shown(name))),
            None => Ok(()),
        }
    }

    fn imported(&self, name: &str) -> Result<String, VariableError> {
        let master = self.master.ok_or_else(|| VariableError::NoMaster(shown(name)))?;
        master.0.get(name).cloned().ok_or_else(|| VariableError::NotInMaster(shown(name)))
    }

    /// Returns the decoded value of the first parameter with this name in the query of the playlist's URL.
    fn parameter(&self, name: &str) -> Result<String, VariableError> {
        let mut pairs =
            self.url.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let value =
            pairs.find(|(key, _)| percent_decoded(key).as_deref() == Some(name)).map(|(_, value)| value);
        let value =
            value.filter(|value| !value.is_empty()).ok_or_else(|| VariableError::NoParameter(shown(name)))?;
        percent_decoded(value).ok_or_else(|| VariableError::InvalidValue(shown(name)))
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// Returns true if the attribute, with its name, has a hexadecimal value.
fn is_hexadecimal(attribute: &str) -> bool {
    attribute.split_once('=').is_some_and(|(name, value)| {
        let is_known = name.trim().ends_with("IV") || name.contains("SCTE35-");
        is_known || value.trim_start().starts_with("0x") || value.trim_start().starts_with("0X")
    })
}

fn shown(name: &str) -> String {
    name.chars().take(MAX_SHOWN_CHARS).collect()
}

/// Decodes percent-encoded bytes. `+` is kept, because it means a space only in forms. Returns `None` if the result is
/// not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = match (first, tail) {
            (b'%', [high, low, after @ ..]) => digit(*high).zip(digit(*low)).map(|digits| (digits, after)),
            _ => None,
        };
        match escaped {
            Some(((high, low), after)) => {
                bytes.push((high * 16 + low) as u8);
                rest = after;
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

//! Metadata and rule of a track, set by the names of columns and checked one by one.

use refrain_catalog::{Metadata, Rule};

use crate::calendar::{MONTHS, day_exists};

/// Maximum length of a value in bytes. Responses, and reports in S3, repeat all values of a track. Longer texts are
/// usually lyrics or embedded documents. With 2 KiB, long descriptions are refused; with 8 KiB, responses for a track
/// can be twice as large.
const MAX_VALUE_BYTES: usize = 4 << 10;

/// Maximum length of the name of a column in bytes. Longer names show that the file is not a table. Real names have
/// less than half of this length.
const MAX_NAME_BYTES: usize = 128;

/// Maximum number of additional columns of a track, for which the catalog has no field. Each response for the track
/// repeats these columns; together with [`MAX_VALUE_BYTES`] this limits the metadata in a response to 1 MB. With 128
/// columns, wide exports of label systems are refused; with 512, responses can have 2 MB.
const MAX_EXTRA_COLUMNS: usize = 256;

/// Metadata and rule that were given for a track. A value that was not given is `None`.
///
/// # Examples
/// ```
/// use refrain_app::metadata::Fields;
///
/// let mut fields = Fields::default();
/// fields.set("ISRC", "us-zz0-00-00001")?;
/// fields.set("Release Date", "01-Feb-1999")?;
/// fields.set("Mood", "calm")?;
/// assert_eq!(fields.metadata.isrc.as_deref(), Some("USZZ00000001"));
/// assert_eq!(fields.metadata.release_date.as_deref(), Some("1999-02-01"));
/// assert_eq!(fields.metadata.extra["Mood"], "calm");
/// assert!(fields.set("release date", "1999-02-31").is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields {
    /// Metadata of the track.
    pub metadata: Metadata,
    /// Rule for matches of the track; `None` if no rule was given.
    pub rule: Option<Rule>,
}

impl Fields {
    /// Sets one value by the name of its column, and replaces an earlier value. Names of known fields are accepted in
    /// upper or lower case, and with spaces or hyphens instead of `_`. Other names are stored as additional columns, as
    /// written. An empty value is ignored.
    ///
    /// # Errors
    /// Returns the reason why the value is invalid. The text does not name the file or the line of the value; the
    /// caller has to add them.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        // Tables often have spaces around values, which would make equal values differ.
        let value = value.trim();
        if value.is_empty() {
            return Ok(());
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(too_long(name, value.len(), MAX_VALUE_BYTES));
        }
        let key = normalized_name(name);
        if key == "rule" {
            self.rule = Some(value.parse().map_err(|error: refrain_catalog::RuleError| error.to_string())?);
            return Ok(());
        }
        // Codes and dates are normalized, so that the same value from two sources is equal in the catalog.
        let checked = match key.as_str() {
            "isrc" => isrc(value)?,
            "release_date" => release_date(value)?,
            _ => value.to_owned(),
        };
        match slot(&mut self.metadata, &key) {
            Some(slot) => *slot = Some(checked),
            None => {
                let (name, extra) = (name.trim(), &self.metadata.extra);
                if name.len() > MAX_NAME_BYTES {
                    return Err(too_long("the name of a column", name.len(), MAX_NAME_BYTES));
                }
                if extra.len() >= MAX_EXTRA_COLUMNS && !extra.contains_key(name) {
                    return Err(format!(
                        "more than {MAX_EXTRA_COLUMNS} columns that are not known metadata fields; remove some of them"
                    ));
                }
                self.metadata.extra.insert(name.to_owned(), checked);
            }
        }
        Ok(())
    }

    /// Returns true if `name` is `rule` or the name of a field of the catalog, such as `title`, in any spelling that
    /// [`Self::set`] accepts.
    #[must_use]
    pub fn is_known_field(name: &str) -> bool {
        let key = normalized_name(name);
        key == "rule" || slot(&mut Metadata::default(), &key).is_some()
    }

    /// Removes the value of a field or additional column. Does nothing if it has no value.
    pub fn clear(&mut self, name: &str) {
        let key = normalized_name(name);
        if key == "rule" {
            self.rule = None;
        } else if let Some(slot) = slot(&mut self.metadata, &key) {
            *slot = None;
        } else {
            self.metadata.extra.remove(name.trim());
        }
    }

    /// Returns these values, with missing ones taken from `below`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let (top, low) = (self.metadata, below.metadata);
        // Columns are merged one by one. Replacing the whole map would lose columns that only one source has.
        let mut extra = low.extra;
        extra.extend(top.extra);
        Self {
            metadata: Metadata {
                title: top.title.or(low.title),
                artist: top.artist.or(low.artist),
                album: top.album.or(low.album),
                isrc: top.isrc.or(low.isrc),
                label: top.label.or(low.label),
                vendor: top.vendor.or(low.vendor),
                upc: top.upc.or(low.upc),
                release_date: top.release_date.or(low.release_date),
                category: top.category.or(low.category),
                extra,
            },
            rule: self.rule.or(below.rule),
        }
    }
}

fn too_long(what: &str, bytes: usize, limit: usize) -> String {
    let what: String = what.chars().take(40).filter(|c| !c.is_control()).collect();
    format!("{what} has {bytes} bytes, the limit is {limit}; shorten it")
}

/// Returns a column name in the spelling of known fields: trimmed, in lower case, and with `_` instead of spaces and
/// hyphens.
#[must_use]
pub fn normalized_name(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace([' ', '-'], "_")
}

fn slot<'a>(metadata: &'a mut Metadata, key: &str) -> Option<&'a mut Option<String>> {
    Some(match key {
        "title" => &mut metadata.title,
        "artist" => &mut metadata.artist,
        "album" => &mut metadata.album,
        "isrc" => &mut metadata.isrc,
        "label" => &mut metadata.label,
        "vendor" => &mut metadata.vendor,
        "upc" => &mut metadata.upc,
        "release_date" => &mut metadata.release_date,
        "category" => &mut metadata.category,
        _ => return None,
    })
}

/// Parses an ISRC and returns it in upper case, without hyphens and spaces. An ISRC has 12 characters: country (2
/// letters), registrant (3 letters or digits), year and number (7 digits). Returns an error text if it is invalid.
pub(super) fn isrc(text: &str) -> Result<String, String> {
    let code: String =
        text.chars().filter(|c| !matches!(c, '-' | ' ')).collect::<String>().to_ascii_uppercase();
    let valid = code.len() == 12
        && code.bytes().enumerate().all(|(i, byte)| match i {
            0 | 1 => byte.is_ascii_uppercase(),
            2..=4 => byte.is_ascii_alphanumeric(),
            _ => byte.is_ascii_digit(),
        });
    if valid { Ok(code) } else { Err(format!("invalid ISRC {text:?}: use 12 characters like USZZ00000001")) }
}

/// Parses a date: `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or `DD-Mon-YYYY`. Returns it in ISO 8601, with the same precision, or
/// an error text if it is invalid.
pub(super) fn release_date(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str, digits: usize, max: u32| {
        let valid = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<u32>().ok().filter(|n| valid && (1..=max).contains(n))
    };
    let date = match parts.as_slice() {
        [year] => number(year, 4, 9999).map(|_| text.to_owned()),
        [year, month] => number(year, 4, 9999).and(number(month, 2, 12)).map(|_| text.to_owned()),
        [day, name, year] if name.len() == 3 => {
            let month = (1..).zip(MONTHS).find(|(_, month)| month.eq_ignore_ascii_case(name));
            complete(number(year, 4, 9999), month.map(|(month, _)| month), number(day, 2, 31))
        }
        [year, month, day] => complete(number(year, 4, 9999), number(month, 2, 12), number(day, 2, 31)),
        _ => None,
    };
    date.ok_or_else(|| format!("invalid date {text:?}: use YYYY, YYYY-MM, YYYY-MM-DD or DD-Mon-YYYY"))
}

/// Returns a complete date in ISO 8601, or `None` if a part is `None` or the day does not exist.
fn complete(year: Option<u32>, month: Option<u32>, day: Option<u32>) -> Option<String> {
    let (year, month, day) = (year?, month?, day?);
    day_exists(year, month, day).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_fields_are_checked_and_others_kept() {
        let mut fields = Fields::default();
        fields.set("Release Date", "01-Feb-1999").unwrap();
        fields.set("ISRC", "us-zz0-00-00001").unwrap();
        fields.set("Territory", " DE ").unwrap();
        fields.set("rule", "block").unwrap();
        fields.set("title", "  ").unwrap();
        let metadata = &fields.metadata;
        assert_eq!(metadata.release_date.as_deref(), Some("1999-02-01"));
        assert_eq!(metadata.isrc.as_deref(), Some("USZZ00000001"));
        assert_eq!(metadata.extra["Territory"], "DE");
        assert_eq!((metadata.title.as_ref(), fields.rule.as_ref().map(Rule::as_str)), (None, Some("block")));
        fields.clear("territory");
        fields.clear("Territory");
        fields.clear("rule");
        assert_eq!((fields.metadata.extra.len(), fields.rule.is_none()), (0, true));
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for date in ["2026-02-31", "2026-02-29", "1900-02-29", "2026-04-31", "31-Apr-2026", "29-Feb-2026"] {
            assert!(release_date(date).unwrap_err().contains(date), "{date}");
        }
        for (date, iso) in [
            ("2024-02-29", "2024-02-29"),
            ("29-feb-2000", "2000-02-29"),
            ("31-Dec-1999", "1999-12-31"),
            ("1999-12", "1999-12"),
        ] {
            assert_eq!(release_date(date).as_deref(), Ok(iso));
        }
    }

    #[test]
    fn oversized_metadata_is_refused_with_the_limit() {
        let mut fields = Fields::default();
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        assert!(fields.set("title", &long).unwrap_err().contains("title has 4097 bytes, the limit is 4096"));
        assert!(fields.set(&"n".repeat(MAX_NAME_BYTES + 1), "x").unwrap_err().contains("the limit is 128"));
        for column in 0..MAX_EXTRA_COLUMNS {
            fields.set(&format!("column {column}"), "x").unwrap();
        }
        fields.set("column 0", "y").unwrap();
        assert!(fields.set("one more", "x").unwrap_err().contains("more than 256 columns"));
    }

    #[test]
    fn bad_values_are_refused() {
        let mut fields = Fields::default();
        for (name, value) in [
            ("rule", "block it"),
            ("isrc", "12"),
            ("release_date", "1999-13-01"),
            ("release_date", "99"),
            ("release_date", "1-Feb-1999"),
            ("release_date", "soon"),
        ] {
            assert!(fields.set(name, value).unwrap_err().contains(value), "{name}");
        }
        assert_eq!(fields, Fields::default());
    }
}

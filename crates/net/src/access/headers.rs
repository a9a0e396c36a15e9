//! Request headers that an operator sets for a stream.

use std::collections::BTreeMap;
use std::fmt;

use reqwest::header::{self, HeaderName};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Maximum number of headers of a stream. Players send about ten. At half this value, the three cookies of CloudFront
/// with a player's headers nearly reach it; at twice this value, a mistake such as a wrong file is found later.
const MAX_HEADERS: usize = 32;

/// Maximum length of all names and values together, in bytes. Common servers accept 8 KiB of headers, and refuse
/// requests with more. At half this value, two signed cookies do not fit; at twice this value, most servers refuse the
/// requests.
const MAX_BYTES: usize = 8 * 1024;

/// Headers that the client sets by itself. They describe the connection, the body or the requested part of a resource,
/// so another value would break the transfer.
const RESERVED: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "icy-metadata",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Request headers that an operator sets for a stream. Their values can be secrets, so the debug output contains the
/// names only.
///
/// In JSON and TOML, the headers are an object of names with a text, or a list of texts for `Cookie` and `Set-Cookie`.
///
/// # Examples
/// ```
/// use refrain_net::RequestHeaders;
///
/// let mut headers = RequestHeaders::default();
/// headers.push_line("Authorization: Bearer secret")?;
/// headers.push_line("Referer: https://example.org/")?;
/// assert_eq!(headers.names(), ["authorization", "referer"]);
/// assert!(!format!("{headers:?}").contains("secret"));
/// assert!(headers.push_line("Host: example.org").is_err());
/// # Ok::<(), refrain_net::InvalidHeader>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RequestHeaders(Vec<(HeaderName, String)>);

/// The error of a request header. It does not contain the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHeader {
    /// The name is missing or invalid.
    #[error("a request header has no valid name; use the form 'Name: value'")]
    Name,
    /// The value is empty or contains invalid characters.
    #[error("request header {0}: the value is empty or invalid; use printable ASCII characters")]
    Value(HeaderName),
    /// The client sets this header.
    #[error("request header {0} is set by the HTTP client; remove it")]
    Reserved(HeaderName),
    /// There are too many headers, or they are too long.
    #[error(
        "the request headers of the stream exceed {MAX_HEADERS} headers or {MAX_BYTES} bytes; remove some"
    )]
    TooLong,
}

impl RequestHeaders {
    /// Adds a header. It replaces an earlier one with the same name; only `Cookie` and `Set-Cookie` can be repeated.
    ///
    /// # Errors
    /// [`InvalidHeader`] if the name or the value is invalid, if the client sets the header, or if there are more than
    /// 32 headers or 8 KiB.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), InvalidHeader> {
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| InvalidHeader::Name)?;
        if RESERVED.contains(&name.as_str()) {
            return Err(InvalidHeader::Reserved(name));
        }
        let value = value.trim();
        let is_set_cookie = name == header::SET_COOKIE;
        if value.is_empty()
            || !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
            || is_set_cookie && cookie::Cookie::parse(value).is_err()
        {
            return Err(InvalidHeader::Value(name));
        }
        if !is_set_cookie && name != header::COOKIE {
            self.0.retain(|(known, _)| *known != name);
        }
        self.0.push((name, value.to_owned()));
        let bytes: usize = self.0.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if self.0.len() > MAX_HEADERS || bytes > MAX_BYTES {
            return Err(InvalidHeader::TooLong);
        }
        Ok(())
    }

    /// Adds the header in a line of the form `Name: value`.
    ///
    /// # Errors
    /// The same as [`Self::push`].
    pub fn push_line(&mut self, line: &str) -> Result<(), InvalidHeader> {
        let (name, value) = line.split_once(':').ok_or(InvalidHeader::Name)?;
        self.push(name, value)
    }

    /// Adds the headers in a text with one line per header. Empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// The same as [`Self::push`].
    pub fn push_lines(&mut self, text: &str) -> Result<(), InvalidHeader> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.into_iter().try_for_each(|line| self.push_line(line))
    }

    /// Adds all headers of `other`, with the rules of [`Self::push`].
    ///
    /// # Errors
    /// [`InvalidHeader::TooLong`] if there are too many headers together.
    pub fn extend(&mut self, other: &Self) -> Result<(), InvalidHeader> {
        other.iter().try_for_each(|(name, value)| self.push(name.as_str(), value))
    }

    /// Returns true if there are no headers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names of the headers in lower case, sorted and without duplicates.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        self.0.iter().map(|(name, value)| (name, value.as_str()))
    }
}

impl fmt::Debug for RequestHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestHeaders").field(&self.names()).finish()
    }
}

/// The value of a header in JSON and TOML.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum HeaderTexts {
    One(String),
    Several(Vec<String>),
}

impl Serialize for RequestHeaders {
    /// Writes the headers sorted by name, so that equal headers have equal texts.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all: BTreeMap<&str, HeaderTexts> = BTreeMap::new();
        for (name, value) in self.iter() {
            let texts = match all.remove(name.as_str()) {
                None => HeaderTexts::One(value.to_owned()),
                Some(HeaderTexts::One(first)) => HeaderTexts::Several(vec![first, value.to_owned()]),
                Some(HeaderTexts::Several(mut texts)) => {
                    texts.push(value.to_owned());
                    HeaderTexts::Several(texts)
                }
            };
            all.insert(name.as_str(), texts);
        }
        all.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RequestHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut headers = Self::default();
        for (name, texts) in BTreeMap::<String, HeaderTexts>::deserialize(deserializer)? {
            let texts = match texts {
                HeaderTexts::One(text) => vec![text],
                HeaderTexts::Several(texts) => texts,
            };
            for text in &texts {
                headers.push(&name, text).map_err(de::Error::custom)?;
            }
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_header_replaces_an_earlier_one_except_cookies() {
        let mut headers = RequestHeaders::default();
        headers.push_lines("# comment\n\nReferer: a\r\nreferer:b:c\nCookie: x=1\nCookie: y=2\n").unwrap();
        let all: Vec<_> = headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(all, ["referer=b:c", "cookie=x=1", "cookie=y=2"]);
    }

    #[test]
    fn errors_do_not_contain_the_value() {
        for (line, name) in [
            ("secret", ""),
            ("se cret: x", ""),
            ("X: se\u{7}cret", "x"),
            ("X: secr\u{e9}t", "x"),
            ("X:  ", "x"),
            ("Host: secret", "host"),
            ("Range: secret", "range"),
            ("Set-Cookie: secret", "set-cookie"),
        ] {
            let error = RequestHeaders::default().push_line(line).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("secret"), "{line}: {error}");
        }
        let mut headers = RequestHeaders::default();
        assert_eq!(headers.push("X", &"x".repeat(MAX_BYTES)), Err(InvalidHeader::TooLong));
    }
}

//! Attribute lists (RFC 8216 section 4.2).

/// The attributes of a tag, in order: names as written, values without their quotes.
pub(super) struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    /// Parses the well-formed attributes of `list` and skips the rest.
    pub(super) fn parse(mut list: &'a str) -> Self {
        let mut found = Vec::new();
        while let Some((name, rest)) = list.split_once('=') {
            let (value, rest) = match rest.strip_prefix('"') {
                Some(quoted) => {
                    // A quote that is never closed ends with the line, so that one bad attribute does not hide the
                    // others.
                    let (value, rest) = quoted.split_once('"').unwrap_or((quoted, ""));
                    (value, rest.split_once(',').map_or("", |(_, rest)| rest))
                }
                None => rest.split_once(',').unwrap_or((rest, "")),
            };
            // Text without `=` before a comma is not an attribute.
            let name = name.rsplit(',').next().unwrap_or(name);
            found.push((name.trim(), value.trim()));
            list = rest;
        }
        Self(found)
    }

    /// Returns the value of the first attribute with this name, without regard to case; `None` if it is missing or
    /// empty.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// Returns the value of the first attribute with this name, without regard to case; `None` if it is missing. An
    /// empty value is returned too.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// Returns true if the value of the attribute is YES.
    pub(super) fn is_yes(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }
}

/// Builder of an attribute list in the form that m3u8-rs parses.
#[derive(Default)]
pub(super) struct AttributeWriter(String);

impl AttributeWriter {
    /// Adds an attribute with an unquoted value. Omits the attribute if `value` is `None`, is empty, or contains a
    /// comma, a quote or `=`.
    pub(super) fn plain(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value.filter(|value| !value.is_empty() && !value.contains([',', '"', '='])) {
            self.separate();
            self.0.push_str(&format!("{name}={value}"));
        }
        self
    }

    /// Adds an attribute with a quoted value. Omits the attribute if `value` is `None` or empty.
    pub(super) fn quoted(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.separate();
            self.0.push_str(&format!("{name}=\"{value}\""));
        }
        self
    }

    fn separate(&mut self) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_be_quoted_hold_commas_and_be_spaced() {
        let list = Attributes::parse("A=1, B=\"x,y=z\" ,C=YES,D=\"\",junk,E=0x1f");
        assert_eq!(list.get("A"), Some("1"));
        assert_eq!(list.get("B"), Some("x,y=z"));
        assert!(list.is_yes("c"));
        assert_eq!(list.get("D"), None);
        assert_eq!(list.get("E"), Some("0x1f"));
    }

    #[test]
    fn an_open_quote_ends_with_the_line() {
        assert_eq!(Attributes::parse("URI=\"a.key,IV=0").get("URI"), Some("a.key,IV=0"));
    }
}

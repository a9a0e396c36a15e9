//! Charsets of the titles and names of stations.
//!
//! No header of the protocol states the charset. Most stations send UTF-8, others the charset of their country.

use std::fmt;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8};

/// Decodes the texts of one station: as UTF-8 if they are valid UTF-8, else in the charset that the response declares,
/// else in a charset that is detected from all texts of the station so far and the country of its host.
#[derive(Default)]
pub(super) struct StationCharset {
    /// Charset that the response declares; `None` without one, and for UTF-8, which is always tried first.
    declared: Option<&'static Encoding>,
    /// Last label of the host in lower case, such as `ru`; `None` if the host has no country.
    country: Option<String>,
    /// Detector with the texts so far; `None` before the first text that needs it.
    detector: Option<Box<EncodingDetector>>,
}

impl fmt::Debug for StationCharset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let declared = self.declared.map(Encoding::name);
        let Self { country, .. } = self;
        f.debug_struct("StationCharset")
            .field("declared", &declared)
            .field("country", country)
            .finish_non_exhaustive()
    }
}

impl StationCharset {
    /// Creates the decoder of a station. `declared` is its media type, which may have the parameter `charset`.
    pub(super) fn new(content_type: Option<&str>, host: &str) -> Self {
        let declared = content_type.and_then(charset_of).filter(|encoding| *encoding != UTF_8);
        let last = host.rsplit_once('.').map(|(_, last)| last.to_ascii_lowercase());
        // The last part of an IPv4 address is a number, which is no country.
        let is_label = |label: &String| label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        Self { declared, country: last.filter(is_label), detector: None }
    }

    /// Decodes a text. Bytes that are invalid in the charset become U+FFFD.
    pub(super) fn decode(&mut self, text: &[u8]) -> String {
        match std::str::from_utf8(text) {
            Ok(text) => return text.to_owned(),
            Err(error) => {
                // A server limits the length of a title in bytes, so the last character may be incomplete.
                let (valid, rest) = text.split_at_checked(error.valid_up_to()).unwrap_or_default();
                if error.error_len().is_none() && !valid.is_ascii() && rest.len() < 4 {
                    return String::from_utf8_lossy(valid).into_owned();
                }
            }
        }
        let declared =
            |encoding: &'static Encoding| encoding.decode_without_bom_handling_and_without_replacement(text);
        if let Some(decoded) = self.declared.and_then(declared) {
            return decoded.into_owned();
        }
        // One title is often too short for a detection, so the detector receives all titles of the connection.
        let detector =
            self.detector.get_or_insert_with(|| Box::new(EncodingDetector::new(Iso2022JpDetection::Deny)));
        detector.feed(text, false);
        detector.feed(b"\n", false);
        let country = self.country.as_deref().map(str::as_bytes);
        let encoding = detector.guess(country, Utf8Detection::Deny);
        encoding.decode_without_bom_handling(text).0.into_owned()
    }
}

/// Returns the charset of a media type such as `audio/mpeg; charset=windows-1251`, or `None` if it has no valid one.
fn charset_of(content_type: &str) -> Option<&'static Encoding> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let label = value.trim().trim_matches('"');
        Encoding::for_label(label.as_bytes()).filter(|_| name.trim().eq_ignore_ascii_case("charset"))
    })
}

#[cfg(test)]
mod tests {
    use encoding_rs::{ISO_8859_2, SHIFT_JIS, WINDOWS_1251, WINDOWS_1252, WINDOWS_1253};
    use proptest::prelude::*;

    use super::*;

    fn decode(content_type: Option<&str>, host: &str, text: &[u8]) -> String {
        StationCharset::new(content_type, host).decode(text)
    }

    #[test]
    fn titles_in_national_charsets_are_decoded() {
        for (host, charset, title) in [
            ("radio.example.ru", WINDOWS_1251, "Алла Пугачёва - Миллион алых роз"),
            ("203.0.113.9", WINDOWS_1251, "Владимир Высоцкий - Кони привередливые"),
            ("radio.example.pl", ISO_8859_2, "Czesław Niemen - Dziwny jest ten świat"),
            ("radio.example.gr", WINDOWS_1253, "Χάρις Αλεξίου - Όλα σε θυμίζουν"),
            ("radio.example.jp", SHIFT_JIS, "中島みゆき - 地上の星"),
            ("radio.example.com", WINDOWS_1252, "Édith Piaf - Non, je ne regrette rien (déjà)"),
        ] {
            let (bytes, _, _) = charset.encode(title);
            assert_eq!(decode(None, host, &bytes), title, "{host}");
        }
    }

    #[test]
    fn declared_charset_precedes_detection_but_not_utf_8() {
        let bytes = b"Caf\xE9";
        assert_eq!(decode(Some("audio/mpeg; charset=\"windows-1251\""), "h.example", bytes), "Cafй");
        assert_eq!(decode(Some("audio/mpeg;CHARSET=utf-8"), "h.example", bytes), "Café");
        assert_eq!(decode(Some("audio/mpeg; charset=unknown"), "h.example", bytes), "Café");
        assert_eq!(
            decode(Some("audio/mpeg; charset=windows-1251"), "h.example", "Café ñ".as_bytes()),
            "Café ñ"
        );
    }

    #[test]
    fn title_that_ends_within_a_character_is_utf_8() {
        let title = "Beyoncé - Déjà vu é".as_bytes();
        assert_eq!(decode(None, "h.example", &title[..title.len() - 1]), "Beyoncé - Déjà vu ");
    }

    proptest! {
        #[test]
        fn any_bytes_and_hosts_are_accepted(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            host in "\\PC{0,20}",
            kind in "\\PC{0,30}",
        ) {
            let mut charset = StationCharset::new(Some(&kind), &host);
            charset.decode(&bytes);
            charset.decode(&bytes);
        }

        #[test]
        fn utf_8_is_never_changed(text in "\\PC{0,100}") {
            prop_assert_eq!(decode(None, "radio.example.ru", text.as_bytes()), text);
        }
    }
}

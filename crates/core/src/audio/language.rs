//! Comparison of language codes, which playlists, containers and users write in different forms.

/// Languages with their codes of ISO 639-1, ISO 639-2/T and ISO 639-2/B. Playlists have codes of two letters (RFC
/// 5646), MPEG-TS has either code of three letters (ETSI EN 300 468, 6.2.19). Languages that are not in this list have
/// one code of three letters in broadcasting, which is compared directly.
const LANGUAGES: [(&str, &str, &str); 58] = [
    ("ar", "ara", "ara"),
    ("be", "bel", "bel"),
    ("bg", "bul", "bul"),
    ("bn", "ben", "ben"),
    ("bs", "bos", "bos"),
    ("ca", "cat", "cat"),
    ("cs", "ces", "cze"),
    ("cy", "cym", "wel"),
    ("da", "dan", "dan"),
    ("de", "deu", "ger"),
    ("el", "ell", "gre"),
    ("en", "eng", "eng"),
    ("es", "spa", "spa"),
    ("et", "est", "est"),
    ("eu", "eus", "baq"),
    ("fa", "fas", "per"),
    ("fi", "fin", "fin"),
    ("fr", "fra", "fre"),
    ("ga", "gle", "gle"),
    ("gd", "gla", "gla"),
    ("gl", "glg", "glg"),
    ("he", "heb", "heb"),
    ("hi", "hin", "hin"),
    ("hr", "hrv", "hrv"),
    ("hu", "hun", "hun"),
    ("hy", "hye", "arm"),
    ("id", "ind", "ind"),
    ("is", "isl", "ice"),
    ("it", "ita", "ita"),
    ("ja", "jpn", "jpn"),
    ("ka", "kat", "geo"),
    ("kk", "kaz", "kaz"),
    ("ko", "kor", "kor"),
    ("lb", "ltz", "ltz"),
    ("lt", "lit", "lit"),
    ("lv", "lav", "lav"),
    ("mk", "mkd", "mac"),
    ("ms", "msa", "may"),
    ("mt", "mlt", "mlt"),
    ("nl", "nld", "dut"),
    ("no", "nor", "nor"),
    ("pl", "pol", "pol"),
    ("pt", "por", "por"),
    ("ro", "ron", "rum"),
    ("ru", "rus", "rus"),
    ("sk", "slk", "slo"),
    ("sl", "slv", "slv"),
    ("sq", "sqi", "alb"),
    ("sr", "srp", "srp"),
    ("sv", "swe", "swe"),
    ("ta", "tam", "tam"),
    ("th", "tha", "tha"),
    ("tr", "tur", "tur"),
    ("uk", "ukr", "ukr"),
    ("ur", "urd", "urd"),
    ("uz", "uzb", "uzb"),
    ("vi", "vie", "vie"),
    ("zh", "zho", "chi"),
];

/// Returns true if two language codes name the same language. Codes of two and three letters and tags with a region
/// (`de-AT`) are accepted; region and case are ignored. An empty code equals no code.
///
/// # Examples
///
/// ```
/// use refrain_core::audio::is_same_language;
///
/// assert!(is_same_language("de", "ger") && is_same_language("deu", "de-AT"));
/// assert!(!is_same_language("de", "en") && !is_same_language("", ""));
/// ```
#[must_use]
pub fn is_same_language(one: &str, other: &str) -> bool {
    let (one, other) = (primary(one), primary(other));
    !one.is_empty() && one.eq_ignore_ascii_case(other)
}

/// Returns the code of two letters of the language of a tag, or the first part of the tag if the language is not in
/// [`LANGUAGES`].
fn primary(tag: &str) -> &str {
    let code = tag.trim().split(['-', '_']).next().unwrap_or_default();
    let is_known = |(_, terminology, bibliographic): &&(&str, &str, &str)| {
        code.eq_ignore_ascii_case(terminology) || code.eq_ignore_ascii_case(bibliographic)
    };
    LANGUAGES.iter().find(is_known).map_or(code, |(short, ..)| *short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_one_language_are_equal_in_every_form() {
        for (short, terminology, bibliographic) in LANGUAGES {
            for code in [short, terminology, bibliographic, &short.to_uppercase(), &format!("{short}-XX")] {
                assert!(is_same_language(code, short) && is_same_language(terminology, code), "{code}");
            }
        }
        assert!(is_same_language("qaa", "QAA"));
        assert!(!is_same_language("qaa", "qad"));
        assert!(!is_same_language(" ", ""));
    }
}

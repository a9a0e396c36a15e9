//! URLs in messages, without their secrets.

use std::fmt;

use url::Url;

/// A URL that can be shown in messages: scheme, host, port and path. User names, passwords, queries and fragments are
/// left out, because they can contain tokens. A segment of the path that looks like a token is cut to its first four
/// characters.
///
/// # Examples
/// ```
/// use refrain_net::ShownUrl;
/// use url::Url;
///
/// let url = Url::parse("https://me:password@cdn.example/eyJhbGciOiJIUzI1NiJ9.eyJpZCI6NDJ9/a.m3u8?token=t")?;
/// assert_eq!(ShownUrl::from(&url).to_string(), "https://cdn.example/eyJh…/a.m3u8");
/// # Ok::<(), url::ParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ShownUrl(String);

/// Maximum length of a URL in messages, in characters. Some hosts keep hundreds of characters of state in a path. At
/// half this value, paths of CDNs are cut before the file name; at twice this value, a URL fills more than a line of a
/// terminal.
const MAX_SHOWN_CHARS: usize = 120;

/// Longest path segment, in characters, that is always shown. A token with the usual 128 bits of randomness has 22
/// characters or more, and its encoding adds a signature or a header. At half this value, identifiers of streams and
/// segments of 17 characters are hidden; at twice this value, hexadecimal signatures of 256 bits are shown.
const MAX_PLAIN_CHARS: usize = 32;

/// Number of characters of a hidden segment that are shown, so that messages about different tokens differ. At half
/// this value, the tokens of two streams look equal more often; at twice this value, more of a token is in the log than
/// its fixed header.
const SHOWN_TOKEN_CHARS: usize = 4;

/// Maximum number of pairs per change in a segment that looks random. A pair is two adjacent letters or digits; it is a
/// change if its characters differ in kind: digit, lower case or upper case. Random Base64 has one change in 2.2 pairs
/// and random hexadecimal digits one in 2.1; words and dates have less than one in 6. At half this value, one of six
/// Base64 tokens of 33 characters is shown; at twice this value, names with a date and several numbers are hidden.
const MAX_PAIRS_PER_CHANGE: usize = 5;

impl From<&Url> for ShownUrl {
    fn from(url: &Url) -> Self {
        Self::of(url, None)
    }
}

impl ShownUrl {
    /// Returns the URL with its last path segment complete, even if it looks like a token: the file name of a download
    /// identifies its result.
    #[must_use]
    pub fn with_file_name(url: &Url) -> Self {
        Self::of(url, url.path().rsplit('/').next())
    }

    /// Returns the shown form of the URL. A path segment that equals `plain` is shown completely even if it looks like
    /// a token; `None` excepts no segment.
    fn of(url: &Url, plain: Option<&str>) -> Self {
        let mut text = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
        if let Some(port) = url.port() {
            text.push_str(&format!(":{port}"));
        }
        // The path distinguishes the renditions and segments of a host. Most servers put tokens into the query, which
        // is left out; some CDNs put them into the path.
        let segments = url.path().split('/').map(|segment| {
            let is_secret = Some(segment) != plain && looks_secret(segment);
            let end = if is_secret { segment.char_indices().nth(SHOWN_TOKEN_CHARS) } else { None };
            (end.and_then(|(end, _)| segment.get(..end)).unwrap_or(segment), end.is_some())
        });
        for (index, (shown, is_cut)) in segments.enumerate() {
            text.push_str(if index > 0 { "/" } else { "" });
            text.push_str(shown);
            text.push_str(if is_cut { "…" } else { "" });
        }
        if let Some((at, _)) = text.char_indices().nth(MAX_SHOWN_CHARS) {
            text.truncate(at);
            text.push('…');
        }
        Self(text)
    }
}

/// Returns true if a segment of a path is long and looks random, like a token or a signature.
fn looks_secret(segment: &str) -> bool {
    let (mut pairs, mut changes, mut run) = (0_usize, 0_usize, 0_usize);
    let mut before = None;
    let mut chars = segment.chars();
    while let Some(c) = chars.next() {
        let kind = CharKind::of(c);
        if let (Some(before), Some(kind)) = (before, kind) {
            pairs += 1;
            // A capital letter at the start of a word is no sign of randomness.
            changes += usize::from(before != kind && (before, kind) != (CharKind::Upper, CharKind::Lower));
        }
        run = if kind.is_some() { run + 1 } else { 0 };
        // No word has this length.
        if run > MAX_PLAIN_CHARS {
            return true;
        }
        before = kind;
        // The digits of an escaped character, such as an umlaut in a title, are not part of a token.
        if c == '%' {
            chars.nth(1);
        }
    }
    // With few pairs, the ratio has no meaning: a title of escaped characters with the extension `.mp3` has two pairs.
    let is_long = segment.chars().count() > MAX_PLAIN_CHARS && pairs > MAX_PLAIN_CHARS / 2;
    is_long && changes * MAX_PAIRS_PER_CHANGE >= pairs
}

/// The kind of a character of a token; other characters separate words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CharKind {
    Digit,
    Lower,
    Upper,
}

impl CharKind {
    fn of(c: char) -> Option<Self> {
        match c {
            '0'..='9' => Some(Self::Digit),
            'a'..='z' => Some(Self::Lower),
            'A'..='Z' => Some(Self::Upper),
            _ => None,
        }
    }
}

impl fmt::Display for ShownUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ShownUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str) -> String {
        let url = Url::parse(&format!("https://h.example/{path}")).unwrap();
        ShownUrl::from(&url).to_string().replace("https://h.example/", "")
    }

    #[test]
    fn tokens_in_the_path_are_cut_to_four_characters() {
        for token in [
            // A JSON web token, a hexadecimal signature, Base64, a token of an access list, and a session id.
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "CvwEX3Jk-9aTq0mZ2LhY7uB1sDfKpW4xGnRcVb8Q",
            "hdntl=exp=1700000000~acl=%2f*~hmac=0f3c6a9e1b2d4c5f6a7b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b",
            "live;jsessionid=1A530637289A03B07199A44E8D531427",
            "3fa85f64-5717-4562-b3fc-2c963f66afa6",
        ] {
            let text = shown(&format!("live/{token}/a.m3u8"));
            assert_eq!(text, format!("live/{}…/a.m3u8", &token[..4]));
        }
    }

    #[test]
    fn names_and_short_segments_of_a_path_are_shown_completely() {
        for path in [
            "live/channel_1080p/index.m3u8",
            "a-very-long-human-readable-title-of-a-song-and-its-artist.mp3",
            "AVeryLongTitle_OfASongWithout_AnySpaces.flac",
            "media-ugkewqzx_b1128000_vo_slen_20230523T105755_12345.ts",
            "%E4%BD%A0%E5%A5%BD%E4%B8%96%E7%95%8C%E4%BD%A0%E5%A5%BD.mp3",
            "1A530637289A03B07199A44E8D531427",
            "",
        ] {
            assert_eq!(shown(path), path);
        }
    }

    #[test]
    fn file_name_of_a_download_is_shown_completely() {
        let url = Url::parse(
            "https://h.example/3fa85f64-5717-4562-b3fc-2c963f66afa6/9f86d081-884c-7d65-9a2f-eaa0c55ad015.mp3",
        );
        let shown = ShownUrl::with_file_name(&url.unwrap()).to_string();
        assert_eq!(shown, "https://h.example/3fa8…/9f86d081-884c-7d65-9a2f-eaa0c55ad015.mp3");
    }

    #[test]
    fn long_urls_are_cut_at_the_limit() {
        let text = shown(&"segment/".repeat(50));
        assert!(text.ends_with('…') && text.chars().count() <= MAX_SHOWN_CHARS + 1, "{text}");
    }
}

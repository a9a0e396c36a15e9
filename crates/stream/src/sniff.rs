//! Recognizes documents that servers send instead of audio.
//!
//! The content decides, and the declared type only if the content is a text of unknown kind: servers declare wrong
//! types for audio as well as for pages.

use std::fmt;

/// Number of bytes at the start of a response that [`DocumentKind::of`] examines. XML can have comments and a document
/// type before its root element. At half this value, XML with a long comment is not named precisely; at twice this
/// value, nothing more is recognized.
pub const DOCUMENT_HEAD_BYTES: usize = 4 << 10;

/// Number of bytes at the start of a document that must be text. At half this value, audio that begins like a document
/// by chance is rejected more often; at twice this value, documents in which binary data follows are not recognized.
const TEXT_BYTES: usize = 64;

/// Kind of a document that a server sends instead of audio.
///
/// # Examples
/// ```
/// use refrain_stream::DocumentKind;
///
/// let manifest = br#"<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>"#;
/// assert_eq!(DocumentKind::of(Some("audio/mpeg"), manifest), Some(DocumentKind::Dash));
/// assert_eq!(DocumentKind::of(Some("text/html"), &[0xFF, 0xFB, 0x90, 0x00]), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentKind {
    /// Manifest of MPEG-DASH (ISO/IEC 23009-1).
    Dash,
    /// Manifest of Smooth Streaming.
    SmoothStreaming,
    /// Page of HTML or XHTML.
    Html,
    /// Other XML, for example the feed of a podcast.
    Xml,
    /// JSON, for example the response of an API.
    Json,
    /// Picture.
    Picture,
}

impl DocumentKind {
    /// Recognizes a document by the declared media type and the first bytes of a response. `head` should contain
    /// [`DOCUMENT_HEAD_BYTES`], or the whole response if it is shorter. Returns `None` for everything else, such as
    /// audio and playlists.
    #[must_use]
    pub fn of(content_type: Option<&str>, head: &[u8]) -> Option<Self> {
        let head = head.get(..DOCUMENT_HEAD_BYTES).unwrap_or(head);
        if is_picture(head) {
            return Some(Self::Picture);
        }
        let text = text_of(head)?;
        let declared = content_type.and_then(Self::declared);
        let start = text.trim_ascii_start();
        match start.first() {
            Some(b'<') => Some(markup(start, declared)),
            Some(b'{' | b'[') if is_json(start) => Some(Self::Json),
            // A text that begins otherwise has no kind of its own. It is what the server declares, if it is not empty.
            Some(_) => declared,
            None => None,
        }
    }

    /// Returns the kind that a media type names, or `None` if it names none of them.
    fn declared(content_type: &str) -> Option<Self> {
        let kind = content_type.to_ascii_lowercase();
        let has = |part: &str| kind.contains(part);
        match () {
            () if has("dash+xml") || has("dash.mpd") => Some(Self::Dash),
            () if has("vnd.ms-sstr") => Some(Self::SmoothStreaming),
            () if has("html") => Some(Self::Html),
            // XSPF is XML, but it is the playlist of a station.
            () if has("xml") && !has("xspf") => Some(Self::Xml),
            () if has("json") => Some(Self::Json),
            () => None,
        }
    }

    /// Returns what the user can do to receive the stream.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Dash => "use the address of the manifest itself as the address of the stream",
            Self::SmoothStreaming => {
                "use the address of the HLS playlist (.m3u8) of the same stream, which most providers also offer"
            }
            Self::Html => {
                "use the address of the stream from the website of the station: the link of its \"listen\" button or a \
                 PLS or M3U file"
            }
            Self::Xml | Self::Json => {
                "the document may contain the address of the stream; use that address instead"
            }
            Self::Picture => "use the address of the stream from the website of the station",
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dash => "a DASH manifest (MPD)",
            Self::SmoothStreaming => "a Smooth Streaming manifest",
            Self::Html => "an HTML page",
            Self::Xml => "an XML document",
            Self::Json => "a JSON document",
            Self::Picture => "a picture",
        })
    }
}

/// Returns `head` without a byte order mark if its first [`TEXT_BYTES`] are text, otherwise `None`. The bytes of text
/// in any charset are not control characters.
pub(crate) fn text_of(head: &[u8]) -> Option<&[u8]> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let start = text.get(..TEXT_BYTES).unwrap_or(text);
    let is_text = |byte: &u8| *byte >= b' ' && *byte != 0x7F || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C);
    // Audio begins with bytes that are not ASCII; the bytes of a document begin with a mark or a word in ASCII.
    let begins = start.first().is_some_and(u8::is_ascii);
    (begins && start.iter().all(is_text)).then_some(text)
}

/// Returns the kind of a text that begins with `<`. `declared` is the kind that the server declares.
fn markup(text: &[u8], declared: Option<DocumentKind>) -> DocumentKind {
    let kind = match root_element(text) {
        Some(name) if name.eq_ignore_ascii_case(b"MPD") => DocumentKind::Dash,
        Some(name) if name.eq_ignore_ascii_case(b"SmoothStreamingMedia") => DocumentKind::SmoothStreaming,
        Some(name) if is_html(name) => DocumentKind::Html,
        _ if starts_with(text, b"<!doctype html") => DocumentKind::Html,
        _ if starts_with(text, b"<?xml") => DocumentKind::Xml,
        _ => return declared.unwrap_or(DocumentKind::Xml),
    };
    // A root element that is known is certain; other XML may be declared as something more precise.
    if kind == DocumentKind::Xml { declared.unwrap_or(kind) } else { kind }
}

/// Returns the local name of the first element of XML or HTML, after declarations and comments. Returns `None` if the
/// text contains none.
pub(crate) fn root_element(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        let at = rest.iter().position(|&byte| byte == b'<')?;
        rest = rest.get(at + 1..)?;
        if let Some(comment) = rest.strip_prefix(b"!--") {
            let end = comment.windows(3).position(|three| three == b"-->")?;
            rest = comment.get(end + 3..)?;
        } else if !matches!(rest.first()?, b'?' | b'!') {
            let is_name =
                |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
            let length = rest.iter().take_while(is_name).count();
            let name = rest.get(..length)?;
            return name.rsplit(|&byte| byte == b':').next();
        }
    }
}

/// Returns true for the name of an element that begins a page of HTML.
fn is_html(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 12] = [
        b"html", b"head", b"body", b"script", b"title", b"meta", b"link", b"style", b"h1", b"p", b"div",
        b"center",
    ];
    NAMES.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// Returns true if a text that begins with a bracket is JSON: the next characters are those that JSON permits there.
fn is_json(text: &[u8]) -> bool {
    let Some((open, rest)) = text.split_first() else { return false };
    let next = rest.trim_ascii_start().first();
    match open {
        b'{' => matches!(next, Some(b'"' | b'}')),
        // A PLS playlist begins with `[playlist]`.
        _ => matches!(next, Some(b'{' | b'[' | b']' | b'"' | b'-' | b'0'..=b'9')),
    }
}

/// Returns true if the bytes begin like a picture: JPEG, PNG, GIF or WebP.
fn is_picture(head: &[u8]) -> bool {
    let is_webp = head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP");
    [&b"\xFF\xD8\xFF"[..], b"\x89PNG\r\n\x1A\n", b"GIF87a", b"GIF89a"]
        .iter()
        .any(|magic| head.starts_with(magic))
        || is_webp
}

/// Returns true if `text` begins with `prefix`, in upper or lower case.
fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn documents_are_recognized_by_content() {
        let of = |text: &str| DocumentKind::of(None, text.as_bytes());
        let declared = |kind, text: &str| DocumentKind::of(Some(kind), text.as_bytes());
        assert_eq!(
            of("\u{feff} <?xml version='1.0'?>\n<!-- <html> -->\n<MPD type=\"dynamic\"/>"),
            Some(DocumentKind::Dash)
        );
        assert_eq!(of("<a:MPD xmlns:a='urn:mpeg:dash:schema:mpd:2011'>"), Some(DocumentKind::Dash));
        assert_eq!(of("<SmoothStreamingMedia MajorVersion=\"2\">"), Some(DocumentKind::SmoothStreaming));
        assert_eq!(of("<?xml version=\"1.0\"?><rss version=\"2.0\">"), Some(DocumentKind::Xml));
        assert_eq!(declared("application/dash+xml", "<?xml version=\"1.0\"?>"), Some(DocumentKind::Dash));
        for page in
            ["<!DOCTYPE html><p>", "\n<HTML>", "<!-- hello --><html>", "<h1>Full</h1>", "<!doctype HTML>\n"]
        {
            assert_eq!(of(page), Some(DocumentKind::Html), "{page}");
        }
        assert_eq!(
            of("<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>"),
            Some(DocumentKind::Html)
        );
        for json in ["{\"a\": 1}", "[ {\"url\": 2}]", "{ }", "[]"] {
            assert_eq!(declared("audio/mpeg", json), Some(DocumentKind::Json), "{json}");
        }
        assert_eq!(declared("text/html; charset=utf-8", "The server is full"), Some(DocumentKind::Html));
        assert_eq!(DocumentKind::of(None, b"\xFF\xD8\xFF\xE0\0\x10JFIF"), Some(DocumentKind::Picture));
    }

    #[test]
    fn audio_and_playlists_are_not_documents() {
        let none = |kind, bytes: &[u8]| assert_eq!(DocumentKind::of(kind, bytes), None, "{bytes:?}");
        for bytes in
            [&b"\xFF\xFB\x90\x00"[..], b"\xFF\xF1P\x80", b"OggS\0\x02", b"ID3\x04\0", b"fLaC\0\0", b"", b"  "]
        {
            none(Some("text/html"), bytes);
        }
        for list in
            ["[playlist]\nFile1=http://a/", "#EXTM3U\nhttp://a/", "http://a/", "[Reference]\nRef1=http://a/"]
        {
            none(Some("audio/x-mpegurl"), list.as_bytes());
        }
        none(Some("application/json"), b"{\"\0\0\xFF\xFB");
    }

    proptest! {
        #[test]
        fn binary_data_is_not_a_document_whatever_is_declared(
            start in proptest::collection::vec(any::<u8>(), 0..TEXT_BYTES),
            end in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            // A control character in the first bytes shows that the content is not text.
            let bytes = [&start[..], &[0], &end].concat();
            let kind = DocumentKind::of(Some("text/html"), &bytes);
            prop_assert!(matches!(kind, None | Some(DocumentKind::Picture)));
        }
    }
}

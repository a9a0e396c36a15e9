//! Playlists of stations, which list the URLs of the stream: PLS, M3U, ASX, XSPF and ASF redirectors.

mod xml;

use url::Url;

use crate::sniff;

/// Maximum size of a station's playlist, in bytes. Playlists of stations have less than 1 kB. Another value changes
/// only how many bytes are read before a text with the media type of a playlist is rejected.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Maximum number of URLs of a playlist that are tried. Stations list two to four servers. At half this value, the last
/// servers are never used; at twice this value, a failed attempt lasts up to twice as long.
const MAX_ENTRIES: usize = 5;

/// Start of a line with a tag that only HLS playlists contain. The first line of a playlist is another tag.
pub(super) const HLS_TAG: &[u8] = b"\n#EXT-X-";

/// Format of a playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListFormat {
    /// Lines `FileN=URL` (PLS) or `RefN=URL` (ASF redirector).
    Pls,
    /// A URL per line.
    M3u,
    /// XML with elements `ref` (Windows Media).
    Asx,
    /// XML with elements `location`.
    Xspf,
}

impl ListFormat {
    /// Recognizes the format of a playlist from the start of a response. Returns `None` if the response is not a
    /// playlist. The content decides. `kind` (its `Content-Type`) and `url` (its URL after redirects) decide only if
    /// the content is another text, because a playlist without a header is a list of lines.
    pub(super) fn of(url: &Url, kind: Option<&str>, head: &[u8]) -> Option<Self> {
        let text = sniff::text_of(head)?.trim_ascii_start();
        let begins =
            |start: &[u8]| text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start));
        if begins(b"[playlist]") || begins(b"[reference]") {
            return Some(Self::Pls);
        }
        if begins(b"#EXTM3U") || begins(b"http://") || begins(b"https://") {
            return Some(Self::M3u);
        }
        if begins(b"<") {
            return match sniff::root_element(text) {
                Some(name) if name.eq_ignore_ascii_case(b"asx") => Some(Self::Asx),
                Some(b"playlist") => Some(Self::Xspf),
                _ => None,
            };
        }
        let is_pls = || text.split(|&byte| byte == b'\n').any(|line| is_pls_header(line.trim_ascii()));
        is_list(url, kind).then(|| if is_pls() { Self::Pls } else { Self::M3u })
    }
}

/// Returns true if a response is a playlist according to `kind`, its `Content-Type`. If `kind` is missing or generic,
/// returns true if `url`, the URL of the response after redirects, has the file extension of a playlist.
fn is_list(url: &Url, kind: Option<&str>) -> bool {
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    let path = url.path().to_ascii_lowercase();
    let vague = kind.is_empty()
        || ["text/plain", "application/octet-stream"].iter().any(|other| kind.starts_with(other));
    let named = [".pls", ".m3u", ".m3u8"].iter().any(|extension| path.ends_with(extension));
    ["mpegurl", "scpls"].iter().any(|other| kind.contains(other)) || vague && named
}

fn is_pls_header(line: &[u8]) -> bool {
    line.eq_ignore_ascii_case(b"[playlist]") || line.eq_ignore_ascii_case(b"[reference]")
}

/// Returns true if the text is a part of an HLS playlist: only these have `#EXT-X-` tags.
pub(super) fn is_hls(text: &[u8]) -> bool {
    text.windows(HLS_TAG.len()).any(|start| start == HLS_TAG)
}

/// Returns the first [`MAX_ENTRIES`] URLs of a playlist in order, resolved against `base`, the URL of the playlist.
pub(super) fn entries(text: &str, format: ListFormat, base: &Url) -> Vec<Url> {
    let text = text.trim_start_matches('\u{feff}');
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let addresses: Vec<String> = match format {
        ListFormat::Pls => lines().filter_map(file_of).collect(),
        ListFormat::M3u => lines().map(str::to_owned).collect(),
        ListFormat::Asx => xml::references(text),
        ListFormat::Xspf => xml::locations(text),
    };
    addresses.iter().filter_map(|address| base.join(address).ok()).take(MAX_ENTRIES).collect()
}

/// Returns the URL in a line of the form `File1=http://…` or `Ref1=http://…`, or `None` for another line.
fn file_of(line: &str) -> Option<String> {
    let (name, address) = line.split_once('=')?;
    let name = name.trim().to_ascii_lowercase();
    let number = name.strip_prefix("file").or_else(|| name.strip_prefix("ref"))?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| address.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, format: ListFormat) -> Vec<String> {
        let base = Url::parse("http://radio.example/lists/one.pls?x=1").unwrap();
        entries(text, format, &base).iter().map(Url::to_string).collect()
    }

    #[test]
    fn pls_and_m3u_entries_are_returned_in_order() {
        let pls = "\u{feff}[playlist]\r\nNumberOfEntries=2\r\nFile1=http://a.example:8000/x?t=1\r\nTitle1=File2=x\r\nLength1=-1\r\nfile2 = /y\r\n";
        assert_eq!(found(pls, ListFormat::Pls), ["http://a.example:8000/x?t=1", "http://radio.example/y"]);
        let m3u = "#EXTM3U\n#EXTINF:-1,A station, live\nhttp://a.example/x\n\n  z.mp3\nhttps://b.example/\n";
        assert_eq!(
            found(m3u, ListFormat::M3u),
            ["http://a.example/x", "http://radio.example/lists/z.mp3", "https://b.example/"]
        );
        let asf = "[Reference]\r\nRef1=http://a.example/x?MSWMExt=.asf\r\nRef2=http://b.example/\r\n";
        assert_eq!(found(asf, ListFormat::Pls), ["http://a.example/x?MSWMExt=.asf", "http://b.example/"]);
        assert!(found("[playlist]\nhttp://a.example/", ListFormat::Pls).is_empty());
        assert_eq!(found(&"http://a.example/\n".repeat(100), ListFormat::M3u).len(), MAX_ENTRIES);
    }

    #[test]
    fn xml_playlists_are_parsed() {
        let asx = "<ASX version=\"3.0\"><Title>A & B</Title><Entry><REF HREF = 'http://a.example/x?a=1&amp;b=2'/>\
                   </Entry><entry><ref\nhref=\"/y\"></entry><Reference href=\"/no\"/><EntryRef href=\"c.asx\"/></ASX>";
        assert_eq!(
            found(asx, ListFormat::Asx),
            ["http://a.example/x?a=1&b=2", "http://radio.example/y", "http://radio.example/lists/c.asx"]
        );
        let xspf = "<?xml version=\"1.0\"?><playlist xmlns=\"http://xspf.org/ns/0/\"><location>http://self.example/\
                    </location><trackList><track><location> http://a.example/&#x78;&amp; </location></track></trackList>\
                    </playlist>";
        assert_eq!(found(xspf, ListFormat::Xspf), ["http://a.example/x&"]);
        assert!(found("<asx><ref href=\"http://a", ListFormat::Asx).is_empty());
    }

    #[test]
    fn content_decides_before_type_and_extension() {
        let of = |address: &str, kind, head: &str| {
            ListFormat::of(&Url::parse(address).unwrap(), kind, head.as_bytes())
        };
        assert_eq!(of("http://h/x", Some("audio/mpeg"), "\u{feff}\n[Playlist]\n"), Some(ListFormat::Pls));
        assert_eq!(of("http://h/x", Some("text/html"), "#EXTM3U\n"), Some(ListFormat::M3u));
        assert_eq!(of("http://h/x", None, "<asx version=\"3.0\">"), Some(ListFormat::Asx));
        let xspf = "<?xml version='1.0'?>\n<playlist version='1'>";
        assert_eq!(of("http://h/x", Some("text/xml"), xspf), Some(ListFormat::Xspf));
        assert_eq!(
            of("http://h/x", Some("audio/x-scpls; charset=utf-8"), "; x\n[playlist]\n"),
            Some(ListFormat::Pls)
        );
        assert_eq!(of("http://h/x", Some("audio/X-MPEGURL"), "x.mp3\n"), Some(ListFormat::M3u));
        assert_eq!(of("http://h/listen.M3U?x", None, "x.mp3\n"), Some(ListFormat::M3u));
        assert_eq!(of("http://h/a.m3u", Some("text/plain"), "x.mp3\n"), Some(ListFormat::M3u));
        assert_eq!(of("http://h/a.m3u", Some("audio/mpeg"), "x.mp3\n"), None);
        assert_eq!(of("http://h/a.m3u", Some("audio/mpegurl"), "\u{ff}\u{fb}"), None);
        assert_eq!(ListFormat::of(&Url::parse("http://h/a.pls").unwrap(), None, b"\xFF\xFB\x90\x00"), None);
        assert_eq!(of("http://h/x", Some("audio/x-scpls"), "<html>"), None);
    }

    #[test]
    fn hls_playlists_are_distinguished_from_m3u() {
        assert!(
            is_hls(b"#EXTM3U\r\n#EXT-X-TARGETDURATION:2\n")
                && !is_hls(b"#EXTM3U\n#EXTINF:-1,x\nhttp://h/x#EXT-X-\n")
        );
    }
}

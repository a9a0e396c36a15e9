//! Playlists of stations in the formats PLS and M3U, which list the URLs of the stream.

use url::Url;

/// Maximum size of a station's playlist, in bytes. Playlists of stations have less than 1 kB. Another value changes
/// only how many bytes are read before audio with the media type of a playlist is rejected.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Maximum number of URLs of a playlist that are tried. Stations list two to four servers. At half this value, the last
/// servers are never used; at twice this value, a failed attempt lasts up to twice as long.
const MAX_ENTRIES: usize = 5;

/// Returns true if a response is a playlist according to `kind`, its `Content-Type`. If `kind` is missing or generic,
/// returns true if `url`, the URL of the response after redirects, has the file extension of a playlist.
pub(super) fn is_list(url: &Url, kind: Option<&str>) -> bool {
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    let path = url.path().to_ascii_lowercase();
    let vague = kind.is_empty()
        || ["text/plain", "application/octet-stream"].iter().any(|other| kind.starts_with(other));
    let named = [".pls", ".m3u"].iter().any(|extension| path.ends_with(extension));
    ["mpegurl", "scpls"].iter().any(|other| kind.contains(other)) || vague && named
}

/// Returns true if the text is an HLS playlist: only these have `#EXT-X-` tags.
pub(super) fn is_hls(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("#EXT-X-"))
}

/// Returns the first [`MAX_ENTRIES`] URLs of a playlist in order, resolved against `base`, the URL of the playlist.
pub(super) fn entries(text: &str, base: &Url) -> Vec<Url> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    // PLS lines have a key before the URL, and M3U lines do not, so the header of PLS decides.
    let is_pls = lines.clone().any(|line| line.eq_ignore_ascii_case("[playlist]"));
    let address = |line: &'_ str| if is_pls { file_of(line) } else { Some(line.to_owned()) };
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(address)
        .filter_map(|address| base.join(&address).ok())
        .take(MAX_ENTRIES)
        .collect()
}

/// Returns the URL in a PLS line of the form `File1=http://…`, or `None` for another line.
fn file_of(line: &str) -> Option<String> {
    let (name, address) = line.split_once('=')?;
    let number = name.trim().to_ascii_lowercase();
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    number.strip_prefix("file").filter(|digits| is_number(digits)).map(|_| address.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let base = Url::parse("http://radio.example/lists/one.pls?x=1").unwrap();
        entries(text, &base).iter().map(Url::to_string).collect()
    }

    #[test]
    fn pls_and_m3u_entries_are_returned_in_order() {
        let pls = "\u{feff}[playlist]\r\nNumberOfEntries=2\r\nFile1=http://a.example:8000/x?t=1\r\nTitle1=File2=x\r\nLength1=-1\r\nfile2 = /y\r\n";
        assert_eq!(found(pls), ["http://a.example:8000/x?t=1", "http://radio.example/y"]);
        let m3u = "#EXTM3U\n#EXTINF:-1,A station, live\nhttp://a.example/x\n\n  z.mp3\nhttps://b.example/\n";
        assert_eq!(
            found(m3u),
            ["http://a.example/x", "http://radio.example/lists/z.mp3", "https://b.example/"]
        );
        assert_eq!((found("").len(), found("[playlist]\nhttp://a.example/").len()), (0, 0));
        assert_eq!(found(&"http://a.example/\n".repeat(100)).len(), MAX_ENTRIES);
    }

    #[test]
    fn playlists_are_detected_by_type_or_extension() {
        let is = |address: &str, kind| is_list(&Url::parse(address).unwrap(), kind);
        assert!(
            is("http://h/x", Some("audio/x-scpls; charset=utf-8"))
                && is("http://h/x", Some("audio/X-MPEGURL"))
        );
        assert!(is("http://h/listen.PLS?x", None) && is("http://h/a.m3u", Some("text/plain")));
        assert!(!is("http://h/a.m3u", Some("audio/mpeg")) && !is("http://h/x", None));
        assert!(
            is_hls("#EXTM3U\n#EXT-X-TARGETDURATION:2\n") && !is_hls("#EXTM3U\n#EXTINF:-1,x\nhttp://h/x\n")
        );
    }
}

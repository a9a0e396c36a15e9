//! Playlists of stations: PLS and M3U, which name where the stream is.

use url::Url;

/// Largest playlist of a station, bytes.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Most addresses of a playlist that are tried.
const MAX_ENTRIES: usize = 5;

/// Whether an answer is a playlist: by what the server calls it, or by its name where the server calls it nothing.
pub(super) fn is_list(url: &Url, kind: Option<&str>) -> bool {
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    let path = url.path().to_ascii_lowercase();
    let vague = kind.is_empty()
        || ["text/plain", "application/octet-stream"].iter().any(|other| kind.starts_with(other));
    let named = [".pls", ".m3u"].iter().any(|extension| path.ends_with(extension));
    ["mpegurl", "scpls"].iter().any(|other| kind.contains(other)) || vague && named
}

/// Whether a playlist is one of HLS: all of those have a tag of this kind.
pub(super) fn is_hls(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("#EXT-X-"))
}

/// The first addresses of a playlist that came from `base`, in order.
pub(super) fn entries(text: &str, base: &Url) -> Vec<Url> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let is_pls = lines.clone().any(|line| line.eq_ignore_ascii_case("[playlist]"));
    let address = |line: &'_ str| if is_pls { file_of(line) } else { Some(line.to_owned()) };
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(address)
        .filter_map(|address| base.join(&address).ok())
        .take(MAX_ENTRIES)
        .collect()
}

/// The address in a line `File1=http://…` of PLS.
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
    fn addresses_are_found_in_both_kinds_in_order() {
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
    fn playlists_are_told_by_type_and_else_by_name() {
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

//! Rewriting of the text of a playlist to a form that m3u8-rs parses correctly.
//!
//! m3u8-rs fails on a byte order mark, parses a fractional target duration as a segment, drops the tags after the last
//! URI, and treats the rest of a title after a comma as a URI. It rejects KEY:METHOD=NONE and dates as ffmpeg writes
//! them, and reads the lines after an unterminated attribute list as part of that list.
//!
//! So only URIs and the tags that this crate uses are kept, in one form each, and attribute lists are written again.
//! Tags that m3u8-rs parses incorrectly get a name that is unknown to m3u8-rs ([`INF`], [`DATE`], [`RANGE`]), because
//! m3u8-rs keeps the text of unknown tags with their segment. A URI is added at the end ([`TAIL`]), so that the tags
//! after the last URI have a segment too.

use super::PlaylistError;
use super::attributes::{AttributeWriter, Attributes};
use super::drm;
use super::variables::Substitution;

/// Name that replaces EXTINF in the text for m3u8-rs.
pub(super) const INF: &str = "REFRAIN-INF";
/// Name that replaces EXT-X-PROGRAM-DATE-TIME in the text for m3u8-rs.
pub(super) const DATE: &str = "REFRAIN-DATE";
/// Name that replaces EXT-X-DATERANGE in the text for m3u8-rs.
pub(super) const RANGE: &str = "REFRAIN-RANGE";
/// Name that replaces EXT-X-KEY in the text for m3u8-rs if the key is for digital rights management.
pub(super) const DRM: &str = "REFRAIN-DRM";

/// URI that is added after the last one, so that the last tags belong to a segment.
pub(super) const TAIL: &str = "refrain-tail";

/// Longest accepted line, bytes. Signed URLs of segments have about 2,000. At half this value, nothing changes for
/// known servers; at twice this value, a hostile playlist of long attribute lists costs twice the time.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024;

/// Maximum number of URIs in a playlist: the number of 2-s segments in a day, rounded up. At half this value,
/// recordings of more than 14 hours fail; at twice this value, a hostile playlist needs twice the memory.
const MAX_URIS: usize = 50_000;

/// Maximum number of lines in a playlist: eight for each of the URIs. At half this value, playlists with many tags per
/// segment fail before the limit of URIs; at twice this value, a hostile playlist needs twice the time.
const MAX_LINES: usize = 400_000;

/// Number of lines after which the text for m3u8-rs is divided at the next URI. m3u8-rs needs about 250 bytes for each
/// line until it returns, so a playlist of [`MAX_LINES`] would need 100 MB at once. At half this value, nothing is gained
/// for real playlists; at twice this value, a text needs 2 MB more.
const CHUNK_LINES: usize = 8_000;

/// First line of each text for m3u8-rs.
const HEADER: &str = "#EXTM3U\n";

/// Kind of a playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaylistKind {
    Master,
    Media,
}

/// Checks the limits of `text`, which does not include the byte order mark, and returns its kind.
///
/// # Errors
/// Fails if the text is not a playlist, or exceeds a limit.
pub(super) fn scan(text: &str) -> Result<PlaylistKind, PlaylistError> {
    let mut uris = 0;
    let mut master = false;
    let mut known = false;
    for (count, line) in lines(text).enumerate() {
        if line.len() > MAX_LINE_BYTES {
            return Err(PlaylistError::LongLine(MAX_LINE_BYTES));
        }
        if count >= MAX_LINES {
            return Err(PlaylistError::ManyLines(MAX_LINES));
        }
        uris += usize::from(!line.starts_with('#'));
        master |= line.starts_with("#EXT-X-STREAM-INF:");
        known |= ["#EXTM3U", "#EXTINF", "#EXT-X-"].iter().any(|tag| line.starts_with(tag));
    }
    if !known {
        return Err(PlaylistError::NotAPlaylist(super::describe_content(text)));
    }
    if uris > MAX_URIS {
        return Err(PlaylistError::ManySegments(MAX_URIS));
    }
    Ok(if master { PlaylistKind::Master } else { PlaylistKind::Media })
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty())
}

/// Returns the rewritten text of a master playlist.
///
/// # Errors
/// Fails if a variable cannot be replaced.
pub(super) fn master(text: &str, variables: &mut Substitution<'_>) -> Result<String, PlaylistError> {
    let mut out = String::from(HEADER);
    for line in lines(text) {
        if let Some(line) = master_line(&variables.line(line)?) {
            out.push_str(&line);
            out.push('\n');
        }
    }
    Ok(out)
}

/// Passes the rewritten text of a media playlist to `parse`, in one or more pieces, each of which ends with a URI.
///
/// # Errors
/// Fails if a variable cannot be replaced, and with the first error of `parse`.
pub(super) fn media(
    text: &str,
    variables: &mut Substitution<'_>,
    mut parse: impl FnMut(&str) -> Result<(), PlaylistError>,
) -> Result<(), PlaylistError> {
    let mut chunk = String::from(HEADER);
    let mut count = 0;
    for line in lines(text) {
        let Some(line) = media_line(&variables.line(line)?) else { continue };
        chunk.push_str(&line);
        chunk.push('\n');
        count += 1;
        if count >= CHUNK_LINES && !line.starts_with('#') {
            parse(&chunk)?;
            chunk.truncate(HEADER.len());
            count = 0;
        }
    }
    chunk.push_str(TAIL);
    chunk.push('\n');
    parse(&chunk)
}

fn master_line(line: &str) -> Option<String> {
    if !line.starts_with('#') {
        return Some(line.to_owned());
    }
    let (tag, value) = line.split_once(':')?;
    let list = Attributes::parse(value);
    match tag {
        "#EXT-X-STREAM-INF" => {
            // m3u8-rs rejects the whole playlist if BANDWIDTH is not a number, so an invalid value is replaced by 0.
            let bandwidth = list.get("BANDWIDTH").filter(|text| text.parse::<u64>().is_ok());
            let name = list.get("IVS-NAME").or_else(|| list.get("NAME"));
            let written = AttributeWriter::default()
                .plain("BANDWIDTH", Some(bandwidth.unwrap_or("0")))
                .plain("RESOLUTION", list.get("RESOLUTION").filter(|text| is_resolution(text)))
                .quoted("CODECS", list.get("CODECS"))
                .quoted("AUDIO", list.get("AUDIO"))
                .quoted("VIDEO", list.get("VIDEO"))
                .quoted("NAME", name);
            Some(format!("{tag}:{}", written.text()))
        }
        "#EXT-X-MEDIA" => {
            // Subtitles and closed captions have no audio, and m3u8-rs rejects some of them.
            let kind = list.get("TYPE").filter(|kind| matches!(*kind, "AUDIO" | "VIDEO"))?;
            let written = AttributeWriter::default()
                .plain("TYPE", Some(kind))
                .quoted("GROUP-ID", Some(list.get("GROUP-ID")?))
                .quoted("NAME", Some(list.get("NAME").unwrap_or("unnamed")))
                .quoted("URI", list.get("URI"))
                .quoted("LANGUAGE", list.get("LANGUAGE"))
                .quoted("CHARACTERISTICS", list.get("CHARACTERISTICS"))
                .plain("DEFAULT", list.is_yes("DEFAULT").then_some("YES"));
            Some(format!("{tag}:{}", written.text()))
        }
        _ => None,
    }
}

fn is_resolution(text: &str) -> bool {
    text.split_once('x').is_some_and(|(w, h)| w.parse::<u64>().is_ok() && h.parse::<u64>().is_ok())
}

fn media_line(line: &str) -> Option<String> {
    if !line.starts_with('#') {
        return Some(line.to_owned());
    }
    let (tag, value) = line.split_once(':').unwrap_or((line, ""));
    let number = |value: &str| value.trim().parse::<u64>().ok();
    match tag {
        "#EXTINF" => Some(format!("#EXT-{INF}:{value}")),
        "#EXT-X-PROGRAM-DATE-TIME" => Some(format!("#EXT-{DATE}:{value}")),
        "#EXT-X-DATERANGE" => Some(format!("#EXT-{RANGE}:{value}")),
        "#EXT-X-TARGETDURATION" => {
            let seconds =
                value.trim().parse::<f64>().ok().filter(|seconds| (0.0..86_400.0).contains(seconds))?;
            Some(format!("{tag}:{}", seconds.ceil()))
        }
        "#EXT-X-MEDIA-SEQUENCE" | "#EXT-X-DISCONTINUITY-SEQUENCE" => {
            Some(format!("{tag}:{}", number(value)?))
        }
        "#EXT-X-PLAYLIST-TYPE" => matches!(value, "VOD" | "EVENT").then(|| format!("{tag}:{value}")),
        "#EXT-X-ENDLIST" | "#EXT-X-DISCONTINUITY" | "#EXT-X-GAP" => Some(tag.to_owned()),
        "#EXT-X-BYTERANGE" => Some(format!("{tag}:{}", range(value)?)),
        "#EXT-X-KEY" => Some(key_line(&Attributes::parse(value))),
        "#EXT-X-MAP" => {
            let list = Attributes::parse(value);
            let range = list.get("BYTERANGE").and_then(range);
            let written = AttributeWriter::default()
                .quoted("URI", Some(list.get("URI")?))
                .quoted("BYTERANGE", range.as_deref());
            Some(format!("{tag}:{}", written.text()))
        }
        _ if is_passed_through(tag) => {
            Some(if value.is_empty() { tag.to_owned() } else { format!("{tag}:{value}") })
        }
        _ => None,
    }
}

/// Returns true for tags that are kept unchanged: m3u8-rs does not parse them, and this crate does.
fn is_passed_through(tag: &str) -> bool {
    [
        "#EXT-X-CUE",
        "#EXT-X-PART",
        "#EXT-X-PRELOAD-HINT",
        "#EXT-X-PREFETCH",
        "#EXT-X-SERVER-CONTROL",
        "#EXT-X-TWITCH",
    ]
    .iter()
    .any(|known| tag.starts_with(known))
}

/// Rewrites a byte range as `length` or `length@offset`, without spaces. Returns `None` if it is invalid.
fn range(value: &str) -> Option<String> {
    Some(match byte_range(value)? {
        (length, Some(offset)) => format!("{length}@{offset}"),
        (length, None) => length.to_string(),
    })
}

/// Parses the length and the optional offset of a byte range. Returns `None` if the range is invalid.
pub(super) fn byte_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (length, offset) =
        value.split_once('@').map_or((value, None), |(length, offset)| (length, Some(offset)));
    let length = length.trim().parse().ok()?;
    Some((length, offset.map(|offset| offset.trim().parse()).transpose().ok()?))
}

fn key_line(list: &Attributes<'_>) -> String {
    let method = list.get("METHOD").unwrap_or_default();
    if list.get("KEYFORMAT").is_some_and(|format| format != "identity") && method != "NONE" {
        return format!("#EXT-{DRM}:{}", drm::attributes(list));
    }
    // m3u8-rs requires an IV for METHOD=NONE.
    let iv = if method == "NONE" { Some("0x0") } else { list.get("IV") };
    let written = AttributeWriter::default()
        .plain("METHOD", Some(method))
        .quoted("URI", list.get("URI"))
        .plain("IV", iv);
    format!("#EXT-X-KEY:{}", written.text())
}

//! Entries of playlists in XML.
//!
//! The playlists of stations are often no valid XML: ampersands without an entity, elements without an end. So the text
//! is searched for the few elements that contain URLs.

/// Returns the URLs of an ASX playlist: the attributes `href` of its elements `ref` and `entryref`.
pub(super) fn references(text: &str) -> Vec<String> {
    let tags = text.split('<').skip(1).filter_map(|after| after.split_once('>').map(|(tag, _)| tag));
    tags.filter_map(|tag| {
        let (name, attributes) = tag.split_once(|c: char| c.is_ascii_whitespace())?;
        let is_reference = ["ref", "entryref"].iter().any(|other| name.eq_ignore_ascii_case(other));
        href(attributes).filter(|_| is_reference)
    })
    .collect()
}

/// Returns the value of the attribute `href`, or `None` if it is missing or has no quotes.
fn href(attributes: &str) -> Option<String> {
    let mut rest = attributes;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, next) = after.get(1..)?.split_once(quote)?;
        if name.trim().eq_ignore_ascii_case("href") {
            return Some(unescape(value.trim()));
        }
        rest = next;
    }
}

/// Returns the URLs of an XSPF playlist: the content of the elements `location` of its tracks.
pub(super) fn locations(text: &str) -> Vec<String> {
    // An element `location` before the tracks contains the URL of the playlist itself.
    let tracks = text.split_once("<trackList").map_or("", |(_, tracks)| tracks);
    let contents = tracks.split("<location>").skip(1);
    contents.filter_map(|after| after.split_once('<').map(|(url, _)| unescape(url.trim()))).collect()
}

/// Replaces the entities of XML. Unknown ones stay as they are, because an ampersand may separate parameters of a URL.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let entity = after.split_once(';').and_then(|(name, next)| character(name).map(|c| (c, next)));
        let (character, next) = entity.unwrap_or(('&', after));
        out.push(character);
        rest = next;
    }
    out.push_str(rest);
    out
}

/// Returns the character of an entity, or `None` if its name is unknown.
fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32)
        }
    }
}

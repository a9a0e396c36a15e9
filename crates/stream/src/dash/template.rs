//! URL templates of `SegmentTemplate` (ISO/IEC 23009-1, 5.3.9.4.4).

use super::mpd::Representation;

/// Largest width of a number in a template, digits. Numbers of 64 bits have 20 digits. At half this value, large numbers
/// are not padded as wanted; at twice this value, a hostile template makes URLs 20 bytes longer.
const MAX_WIDTH: usize = 20;

/// Maximum length of a URL that a template can produce, bytes. It is above the limits of servers, 8,000. At half this
/// value, long signatures fail; at twice this value, a hostile template uses twice the memory for each segment.
const MAX_URL_BYTES: usize = 16 * 1024;

/// Values of the identifiers of a template.
#[derive(Debug, Clone, Copy)]
pub(super) struct TemplateValues<'a> {
    pub(super) representation: &'a Representation,
    /// `$Number$`.
    pub(super) number: u64,
    /// `$Time$`.
    pub(super) time: u64,
}

/// Replaces the identifiers of a template by their values. Returns `None` if the template contains an unknown
/// identifier, or the result is too long.
pub(super) fn fill(template: &str, values: TemplateValues<'_>) -> Option<String> {
    let mut url = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('$') {
        url.push_str(text);
        let (identifier, after) = after.split_once('$')?;
        append(&mut url, identifier, values)?;
        rest = after;
        if url.len() > MAX_URL_BYTES {
            return None;
        }
    }
    url.push_str(rest);
    (url.len() <= MAX_URL_BYTES).then_some(url)
}

fn append(url: &mut String, identifier: &str, values: TemplateValues<'_>) -> Option<()> {
    let (name, format) = identifier.split_once('%').map_or((identifier, None), |(n, f)| (n, Some(f)));
    let number = match name {
        "" if format.is_none() => {
            url.push('$');
            return Some(());
        }
        "RepresentationID" => {
            url.push_str(&values.representation.id);
            return Some(());
        }
        "Number" => values.number,
        "Time" => values.time,
        "Bandwidth" => values.representation.bandwidth,
        // Sub-numbers count the parts of a segment; the whole segment has one part.
        "SubNumber" => 1,
        _ => return None,
    };
    let (width, hexadecimal) = match format {
        None => (1, None),
        Some(format) => {
            let kind =
                format.chars().last().filter(|kind| matches!(kind, 'd' | 'i' | 'u' | 'x' | 'X' | 'o'))?;
            let digits = format.strip_prefix('0').unwrap_or(format).strip_suffix(kind)?;
            let width = if digits.is_empty() { 1 } else { digits.parse::<usize>().ok()? };
            (width.min(MAX_WIDTH), Some(kind))
        }
    };
    url.push_str(&match hexadecimal {
        Some('x') => format!("{number:0width$x}"),
        Some('X') => format!("{number:0width$X}"),
        Some('o') => format!("{number:0width$o}"),
        _ => format!("{number:0width$}"),
    });
    Some(())
}

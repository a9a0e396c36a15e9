//! What tracks are listed by: the `search` column, the same in every database.

use crate::Metadata;

/// The `search` column: what a track can be listed by, fields apart, case folded away.
pub(crate) fn text(metadata: &Metadata, source: &str) -> String {
    let fields = [metadata.title.as_deref(), metadata.artist.as_deref(), metadata.album.as_deref()];
    let mut all = String::new();
    for field in fields.into_iter().flatten().chain([source]) {
        all.push(FIELD_END);
        all.extend(folded(field));
    }
    all
}

/// What to look for in the `search` column to find `text`, whatever its case.
pub(crate) fn needle(text: &str) -> String {
    folded(text).collect()
}

/// Stands between fields, so that no search runs over their border (unit separator).
const FIELD_END: char = '\u{1f}';

/// Upper, then lower, letter by letter: `ß` finds `SS`, and a final sigma any other.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

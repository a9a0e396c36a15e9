//! The `search` column, in which [`crate::TrackFilter::text`] is looked up. Its content is the same in every database.

use crate::Metadata;

/// Returns the content of the `search` column: title, artist, album and source in folded case, with a separator before
/// each of them.
pub(crate) fn text(metadata: &Metadata, source: &str) -> String {
    let fields = [metadata.title.as_deref(), metadata.artist.as_deref(), metadata.album.as_deref()];
    let mut all = String::new();
    for field in fields.into_iter().flatten().chain([source]) {
        // The separator is before each field, so that the loop need not check if another field precedes.
        all.push(FIELD_END);
        all.extend(fold_case(field));
    }
    all
}

/// Returns the text to look for in the `search` column to find `text` regardless of case.
pub(crate) fn needle(text: &str) -> String {
    fold_case(text).collect()
}

/// Separator before each field, so that no search matches across two fields (unit separator).
const FIELD_END: char = '\u{1f}';

/// Folds the case of each letter, first to upper and then to lower case, so that `ß` matches `SS` and a final sigma
/// matches any other sigma.
fn fold_case(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

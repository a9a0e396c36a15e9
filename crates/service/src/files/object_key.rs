//! Parts of the keys of objects.

/// Returns the extension of a key's last part; `None` if it has no extension.
pub(super) fn extension(key: &str) -> Option<&str> {
    let name = key.rsplit('/').next()?;
    name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, extension)| extension)
}

/// Returns a key without its extension.
pub(super) fn without_extension(key: &str) -> &str {
    extension(key).and_then(|extension| key.strip_suffix(extension)?.strip_suffix('.')).unwrap_or(key)
}

/// Returns the last part of a key without its extension.
pub(super) fn stem(key: &str) -> &str {
    without_extension(key).rsplit('/').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_starts_at_the_last_dot() {
        for (key, without, stem_of) in [
            ("a/b.c.mp3", "a/b.c", "b.c"),
            ("a.b/c", "a.b/c", "c"),
            ("a/.mp3", "a/.mp3", ".mp3"),
            ("x", "x", "x"),
        ] {
            assert_eq!((without_extension(key), stem(key)), (without, stem_of));
        }
    }
}

//! Which file names look like audio.

/// File name extensions, in lower case, of the containers that [`AudioReader`](super::AudioReader) opens.
///
/// A hint for walking folders: what a file is, its content decides.
pub const SUPPORTED_EXTENSIONS: &[&str] = &[
    "3gp", "aac", "adts", "aif", "aifc", "aiff", "caf", "flac", "m2t", "m2ts", "m4a", "m4b", "m4r", "m4v",
    "mka", "mkv", "mov", "mp1", "mp2", "mp3", "mp4", "mpa", "mts", "oga", "ogg", "ogv", "opus", "ts", "wav",
    "wave", "webm",
];

/// Whether a file with this extension (without the dot, in any case) may hold audio that can be decoded.
#[must_use]
pub fn supported_extension(extension: &str) -> bool {
    SUPPORTED_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

//! File name extensions of audio files.

/// File name extensions, in lower case, of the containers that [`AudioReader`](super::AudioReader) opens.
///
/// They serve to choose files while traversing directories. The format of a file is detected from its content.
pub const SUPPORTED_EXTENSIONS: &[&str] = &[
    "3gp", "aac", "ac3", "adts", "aif", "aifc", "aiff", "caf", "eac3", "ec3", "flac", "m2t", "m2ts", "m4a",
    "m4b", "m4r", "m4v", "mka", "mkv", "mov", "mp1", "mp2", "mp3", "mp4", "mpa", "mts", "oga", "ogg", "ogv",
    "opus", "ts", "wav", "wave", "webm",
];

/// Returns true if a file with this extension (without the dot, in any case) may contain audio that can be decoded.
///
/// ```
/// use refrain_core::audio::supported_extension;
///
/// assert!(supported_extension("MP3") && !supported_extension("txt"));
/// ```
#[must_use]
pub fn supported_extension(extension: &str) -> bool {
    SUPPORTED_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

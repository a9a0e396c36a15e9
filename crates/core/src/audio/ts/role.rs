//! Purpose and languages of an audio stream.

use super::super::language::is_same_language;

/// Tag of the ISO 639 language descriptor (ISO/IEC 13818-1, 2.6.18).
const LANGUAGE_DESCRIPTOR: u8 = 0x0A;
/// Tag of the extension descriptor, and the extension tag of the supplementary audio descriptor (ETSI EN 300 468,
/// 6.4.11).
const EXTENSION_DESCRIPTOR: u8 = 0x7F;
const SUPPLEMENTARY_AUDIO: u8 = 0x06;

/// Maximum number of languages of an audio stream that are read. A stream with two mono programs has two. At half this
/// value, the languages of such streams are not all known; at twice this value, nothing changes for real streams.
const MAX_LANGUAGES: usize = 4;

/// Purpose of an audio stream. The order is the order of preference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AudioRole {
    /// The main program, or an unknown purpose.
    #[default]
    Main,
    /// Effects without dialogue, or audio for the hearing impaired.
    CleanAudio,
    /// A commentary for the visually impaired, with or without the main program.
    Description,
}

/// Purpose and languages of an audio stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AudioPurpose {
    pub(super) role: AudioRole,
    languages: Vec<[u8; 3]>,
}

impl AudioPurpose {
    /// Reads the purpose and the languages from the descriptors of a stream. Incomplete descriptors are ignored.
    pub(super) fn read(descriptors: &[u8]) -> Self {
        let mut purpose = Self::default();
        let mut rest = descriptors;
        while let &[tag, size, ref data @ ..] = rest {
            let Some((content, later)) = data.split_at_checked(size.into()) else { break };
            match (tag, content) {
                (LANGUAGE_DESCRIPTOR, _) => purpose.read_languages(content),
                (EXTENSION_DESCRIPTOR, [SUPPLEMENTARY_AUDIO, supplementary @ ..]) => {
                    purpose.read_supplementary(supplementary);
                }
                _ => {}
            }
            rest = later;
        }
        purpose
    }

    /// Reads the entries of an ISO 639 language descriptor: three letters and the type of audio (table 2-60).
    fn read_languages(&mut self, content: &[u8]) {
        for entry in content.chunks_exact(4) {
            let &[a, b, c, audio_type] = entry else { return };
            self.add_language([a, b, c]);
            self.set_role(match audio_type {
                1 | 2 => AudioRole::CleanAudio,
                3 => AudioRole::Description,
                _ => AudioRole::Main,
            });
        }
    }

    /// Reads a supplementary audio descriptor, after its extension tag.
    fn read_supplementary(&mut self, content: &[u8]) {
        let &[flags, ref rest @ ..] = content else { return };
        // The classification is in the five bits after the type of mix. 1 is an audio description, 2 clean audio for
        // the hearing impaired, 3 spoken subtitles for the visually impaired.
        self.set_role(match flags >> 2 & 0x1F {
            1 | 3 => AudioRole::Description,
            2 => AudioRole::CleanAudio,
            _ => AudioRole::Main,
        });
        if let (1, &[a, b, c, ..]) = (flags & 1, rest) {
            self.add_language([a, b, c]);
        }
    }

    /// Sets the role, unless a descriptor already named a special role.
    fn set_role(&mut self, role: AudioRole) {
        self.role = self.role.max(role);
    }

    fn add_language(&mut self, language: [u8; 3]) {
        if self.languages.len() < MAX_LANGUAGES {
            self.languages.push(language);
        }
    }

    /// Returns true if a language of the stream is `wanted`.
    pub(super) fn has_language(&self, wanted: &str) -> bool {
        let mut codes = self.languages.iter().filter_map(|code| std::str::from_utf8(code).ok());
        codes.any(|code| is_same_language(code, wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_from_both_descriptors() {
        let role = |descriptors: &[u8]| AudioPurpose::read(descriptors).role;
        for (audio_type, expected) in [
            (0, AudioRole::Main),
            (1, AudioRole::CleanAudio),
            (2, AudioRole::CleanAudio),
            (3, AudioRole::Description),
            (4, AudioRole::Main),
        ] {
            assert_eq!(role(&[0x0A, 4, b'e', b'n', b'g', audio_type]), expected, "{audio_type}");
        }
        assert_eq!(role(&[0x7F, 2, 0x06, 0b0000_0110]), AudioRole::Description);
        assert_eq!(role(&[0x7F, 2, 0x06, 0b1000_1010]), AudioRole::CleanAudio);
        assert_eq!(role(&[0x7F, 2, 0x06, 0b1000_1110]), AudioRole::Description);
        assert_eq!(role(&[0x7F, 2, 0x06, 0b1000_0010]), AudioRole::Main);
        // A stream type and an incomplete descriptor precede or follow.
        assert_eq!(role(&[0x52, 1, 7, 0x0A, 4, b'e', b'n', b'g', 3, 0x7F, 9, 6]), AudioRole::Description);
        assert_eq!(role(&[0x0A, 4, b'e', b'n']), AudioRole::Main);
    }
}

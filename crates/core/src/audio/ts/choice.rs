//! Choice between the audio streams of a program.

use serde::{Deserialize, Serialize};

use super::psi::PmtEntry;

/// The audio stream that a [`TsDemuxer`](super::TsDemuxer) prefers. A preference that no stream satisfies has no
/// effect.
///
/// Without a preference, the first supported stream that contains the main program is selected. Streams with a
/// commentary for the visually impaired, and streams with clean audio for the hearing impaired, are selected only if
/// there is no other one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackChoice {
    /// Packet id of the stream; `None` for any.
    pub pid: Option<u16>,
    /// Language of the stream, as a code of ISO 639 with two or three letters; `None` for any.
    pub language: Option<String>,
}

/// Degree to which an audio stream satisfies a [`TrackChoice`]. The order is the order of preference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ChoiceFit {
    Pid,
    Language,
    #[default]
    None,
}

impl TrackChoice {
    /// Returns the best supported stream of `entries`, and how well it satisfies the preferences. Returns `None` if no
    /// stream is supported. Of equally good streams, the first one is returned.
    pub(super) fn best<'a>(&self, entries: &'a [PmtEntry]) -> Option<(&'a PmtEntry, ChoiceFit)> {
        let supported = entries.iter().filter(|entry| entry.coding.is_ok());
        let best = supported.min_by_key(|entry| (self.fit(entry), entry.purpose.role))?;
        Some((best, self.fit(best)))
    }

    fn fit(&self, entry: &PmtEntry) -> ChoiceFit {
        if self.pid == Some(entry.pid) {
            ChoiceFit::Pid
        } else if self.language.as_deref().is_some_and(|language| entry.purpose.has_language(language)) {
            ChoiceFit::Language
        } else {
            ChoiceFit::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::headers::AudioCoding;
    use super::super::role::AudioPurpose;
    use super::*;

    fn entry(pid: u16, descriptors: &[u8]) -> PmtEntry {
        PmtEntry { pid, coding: Ok(AudioCoding::Adts), purpose: AudioPurpose::read(descriptors) }
    }

    fn best(entries: &[PmtEntry], pid: Option<u16>, language: Option<&str>) -> (u16, ChoiceFit) {
        let choice = TrackChoice { pid, language: language.map(str::to_owned) };
        choice.best(entries).map(|(entry, fit)| (entry.pid, fit)).unwrap()
    }

    #[test]
    fn main_program_is_the_default_and_a_choice_overrides_it() {
        let entries = [
            entry(0x100, &[0x0A, 4, b'e', b'n', b'g', 3]),
            entry(0x101, &[0x0A, 4, b'e', b'n', b'g', 0]),
            entry(0x102, &[0x7F, 5, 0x06, 0b1000_0001, b'g', b'e', b'r']),
        ];
        assert_eq!(best(&entries, None, None), (0x101, ChoiceFit::None));
        assert_eq!(best(&entries, None, Some("de")), (0x102, ChoiceFit::Language));
        assert_eq!(best(&entries, None, Some("en")), (0x101, ChoiceFit::Language));
        assert_eq!(best(&entries, Some(0x100), Some("de")), (0x100, ChoiceFit::Pid));
        assert_eq!(best(&entries, Some(0x999), Some("fr")), (0x101, ChoiceFit::None));
        assert_eq!(best(&entries[..1], None, None), (0x100, ChoiceFit::None));
    }
}

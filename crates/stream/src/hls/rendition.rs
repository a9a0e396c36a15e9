//! Renditions of a master playlist, in the order in which they are followed.

use std::collections::{HashMap, HashSet};

use refrain_core::audio::is_same_language;
use url::Url;

use super::playlist::{AudioMedia, MasterPlaylist, Variant};
use super::settings::RenditionChoice;
use crate::codecs::{CodecKind, codec_kind, undecodable};

/// Maximum number of renditions of a master playlist that are used. Master playlists with several languages, bit rates
/// and servers have up to 30 with audio. At half this value, the backups of such playlists are not used; at twice this
/// value, a stream keeps twice the URLs in memory.
const MAX_CANDIDATES: usize = 32;

/// A rendition that can be followed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChosenRendition {
    /// URL of the media playlist of the rendition.
    pub(super) url: Url,
    /// Name of the rendition, which is unique in its master playlist, to display it and to detect a change.
    pub(super) label: String,
}

/// Origin of a rendition in the master playlist.
#[derive(Debug, Clone, Copy)]
enum Listed<'a> {
    Variant(&'a Variant),
    Audio(&'a AudioMedia, &'a Url),
}

/// The renditions of a master playlist with their relations.
struct Renditions<'a> {
    master: &'a MasterPlaylist,
    language: Option<&'a str>,
    /// The audio renditions of each group.
    groups: HashMap<&'a str, Vec<&'a AudioMedia>>,
    /// The groups to which only variants with other codecs refer, so that they have these codecs.
    undecodable_groups: HashSet<&'a str>,
    /// The variants with a codec that can be decoded, by bandwidth.
    playable: Vec<&'a Variant>,
}

/// Returns the renditions of `master` in order of preference, the one that `choice` selects first. The others replace
/// it while it fails: those of the same quality first. Returns none if `choice` selects none.
///
/// Only audio is needed, so the automatic choice is a variant without video. If none exists, it is an audio rendition
/// with a separate playlist, or else the variant with the lowest bandwidth. Renditions whose codecs cannot be decoded
/// are left out, unless `choice` names them. Renditions with the language `language` precede the others.
pub(super) fn candidates(
    master: &MasterPlaylist,
    choice: &RenditionChoice,
    language: Option<&str>,
) -> Vec<ChosenRendition> {
    let renditions = Renditions::new(master, language);
    let selected = renditions.selected(choice);
    if selected.is_empty() && *choice != RenditionChoice::Automatic {
        return Vec::new();
    }
    let equals = selected.first().map(|first| renditions.equals_of(*first)).unwrap_or_default();
    let all = selected.into_iter().chain(equals).chain(renditions.automatic());
    let (mut urls, mut labels) = (HashSet::new(), HashMap::new());
    all.filter(|listed| urls.insert(listed.url()))
        .take(MAX_CANDIDATES)
        .map(|listed| {
            let label = listed.label();
            let count: &mut u32 = labels.entry(label.clone()).or_default();
            *count += 1;
            // Redundant variants have the same attributes, and must be distinguished.
            let label = if *count > 1 { format!("{label} ({count})") } else { label };
            ChosenRendition { url: listed.url().clone(), label }
        })
        .collect()
}

/// Returns the choice as text, for an error message.
pub(super) fn choice_text(choice: &RenditionChoice) -> String {
    match choice {
        RenditionChoice::Automatic => "with audio that can be decoded".to_owned(),
        RenditionChoice::Name(name) => format!("{name:?}"),
        RenditionChoice::Index(index) => format!("number {index} (from 0)"),
        RenditionChoice::MaxBandwidth(max_bandwidth) => format!("of at most {max_bandwidth} bit/s"),
    }
}

/// Returns the names of the first 20 variants and audio renditions, for an error message. A codec that cannot be
/// decoded is added to the name of its variant.
pub(super) fn names(master: &MasterPlaylist) -> String {
    let variant = |variant: &Variant| match variant.codecs.as_deref().and_then(undecodable) {
        Some(codecs) => format!("{} ({codecs} cannot be decoded)", variant_label(variant)),
        None => variant_label(variant),
    };
    let variants = master.variants.iter().map(variant);
    let audio = master.audio.iter().filter(|media| media.url.is_some()).map(|media| media.name.clone());
    let names = variants.chain(audio).take(20).collect::<Vec<_>>();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl<'a> Renditions<'a> {
    fn new(master: &'a MasterPlaylist, language: Option<&'a str>) -> Self {
        let mut groups: HashMap<&str, Vec<&AudioMedia>> = HashMap::new();
        for media in &master.audio {
            groups.entry(&media.group).or_default().push(media);
        }
        let mut playable: Vec<&Variant> =
            master.variants.iter().filter(|variant| is_playable(variant)).collect();
        // The sort is stable: redundant variants, which have the same bandwidth, stay in the order of the playlist.
        playable.sort_by_key(|variant| variant.bandwidth);
        let played: HashSet<&str> = playable.iter().filter_map(|variant| variant.audio.as_deref()).collect();
        let referred = master.variants.iter().filter_map(|variant| variant.audio.as_deref());
        let undecodable_groups = referred.filter(|group| !played.contains(group)).collect();
        Self { master, language, groups, undecodable_groups, playable }
    }

    /// Returns the renditions that a choice selects explicitly, in order of preference.
    fn selected(&self, choice: &RenditionChoice) -> Vec<Listed<'a>> {
        match choice {
            RenditionChoice::Automatic => Vec::new(),
            RenditionChoice::Name(name) => self.named(name),
            RenditionChoice::Index(index) => {
                self.master.variants.get(*index).map(|variant| self.audio_of(variant)).into_iter().collect()
            }
            RenditionChoice::MaxBandwidth(max_bandwidth) => {
                let (below, above): (Vec<&Variant>, Vec<&Variant>) =
                    self.playable.iter().copied().partition(|variant| variant.bandwidth <= *max_bandwidth);
                // Sorted again and not reversed, so that redundant variants stay in the order of the playlist.
                let mut order = below;
                order.sort_by_key(|variant| std::cmp::Reverse(variant.bandwidth));
                order.into_iter().chain(above).map(|variant| self.audio_of(variant)).collect()
            }
        }
    }

    /// Returns the variants with this name, and the audio renditions with this name or language. Those that cannot be
    /// decoded are returned only if there are no others.
    fn named(&self, name: &str) -> Vec<Listed<'a>> {
        let is = |other: &str| other.eq_ignore_ascii_case(name);
        let variants = self.master.variants.iter().filter(|variant| variant.name.as_deref().is_some_and(is));
        let audio = self.master.audio.iter().filter(|media| {
            is(&media.name)
                || media.language.as_deref().is_some_and(|language| is_same_language(language, name))
        });
        let mut named: Vec<Listed<'a>> =
            variants.map(|variant| self.audio_of(variant)).chain(audio.filter_map(of_audio)).collect();
        if named.iter().any(|listed| self.is_decodable(*listed)) {
            named.retain(|listed| self.is_decodable(*listed));
        }
        named
    }

    /// Returns true if the audio of a rendition can be decoded, as far as CODECS shows.
    fn is_decodable(&self, listed: Listed<'_>) -> bool {
        match listed {
            Listed::Variant(variant) => is_playable(variant),
            Listed::Audio(media, _) => !self.undecodable_groups.contains(media.group.as_str()),
        }
    }

    /// Returns the renditions of the same quality as `first`: redundant variants (RFC 8216 section 6.2.4), or the audio
    /// renditions with the same name and language in other groups.
    fn equals_of(&self, first: Listed<'a>) -> Vec<Listed<'a>> {
        match first {
            Listed::Variant(first) => {
                let variants = self.master.variants.iter();
                variants.filter(|variant| quality(variant) == quality(first)).map(Listed::Variant).collect()
            }
            Listed::Audio(first, _) => {
                let is_equal =
                    |media: &&AudioMedia| media.name == first.name && media.language == first.language;
                let audio = self.master.audio.iter().filter(is_equal).filter_map(of_audio);
                audio.filter(|listed| self.is_decodable(*listed)).collect()
            }
        }
    }

    /// Returns all renditions with audio that can be decoded, in the order of the automatic choice.
    fn automatic(&self) -> Vec<Listed<'a>> {
        let playable = || self.playable.iter().copied();
        let mut order: Vec<Listed<'a>> = playable()
            .filter(|variant| is_audio_only(variant))
            .map(|variant| self.audio_of(variant))
            .collect();
        // Audio renditions usually have the same content for all variants, so the group of the smallest variant is used
        // first.
        let groups = playable().filter(|variant| self.group(variant).is_some());
        order.extend(groups.map(|variant| self.audio_of(variant)));
        let audio = ranked(self.master.audio.iter()).into_iter().filter_map(of_audio);
        order.extend(audio.filter(|listed| self.is_decodable(*listed)));
        order.extend(playable().filter(|variant| self.has_audio(variant)).map(Listed::Variant));
        if let Some(language) = self.language {
            // The sort is stable, so the order within a language does not change.
            order.sort_by_key(|listed| !listed.has_language(language));
        }
        order
    }

    /// Returns the group of audio renditions of a variant, or `None` if it has none.
    fn group(&self, variant: &Variant) -> Option<&Vec<&'a AudioMedia>> {
        self.groups.get(variant.audio.as_deref()?)
    }

    /// Returns the audio rendition of the variant if it has a separate playlist, otherwise the variant itself.
    fn audio_of(&self, variant: &'a Variant) -> Listed<'a> {
        let group = self.group(variant).map(Vec::as_slice).unwrap_or_default();
        let wanted = |media: &&AudioMedia| {
            let language = self.language.zip(media.language.as_deref());
            language.is_some_and(|(wanted, language)| is_same_language(language, wanted))
        };
        let ranked = ranked(group.iter().copied());
        let best = ranked.iter().copied().find(wanted).or(ranked.first().copied());
        // A member of the group without a URL means that its audio is in the variant.
        best.and_then(of_audio).unwrap_or(Listed::Variant(variant))
    }

    /// Returns true if audio is in the media playlist of the variant: it has no group, or its group has a member
    /// without a URL.
    fn has_audio(&self, variant: &Variant) -> bool {
        self.group(variant).is_none_or(|group| group.iter().any(|media| media.url.is_none()))
    }
}

impl<'a> Listed<'a> {
    fn url(self) -> &'a Url {
        match self {
            Self::Variant(variant) => &variant.url,
            Self::Audio(_, url) => url,
        }
    }

    fn label(self) -> String {
        match self {
            Self::Variant(variant) => variant_label(variant),
            Self::Audio(media, _) => media.name.clone(),
        }
    }

    fn has_language(self, wanted: &str) -> bool {
        match self {
            Self::Variant(_) => false,
            Self::Audio(media, _) => {
                media.language.as_deref().is_some_and(|language| is_same_language(language, wanted))
            }
        }
    }
}

/// Returns audio renditions in order of preference: the default, then the order of the playlist, because the first
/// rendition is usually the main one (RFC 8216, 4.3.4.2.1 leaves the choice to the client). Commentaries for the
/// visually impaired are last.
fn ranked<'a>(group: impl Iterator<Item = &'a AudioMedia>) -> Vec<&'a AudioMedia> {
    let mut ranked: Vec<&AudioMedia> = group.collect();
    ranked.sort_by_key(|media| (media.describes_video, !media.default));
    ranked
}

fn of_audio(media: &AudioMedia) -> Option<Listed<'_>> {
    Some(Listed::Audio(media, media.url.as_ref()?))
}

/// Returns the attributes that redundant variants have in common.
fn quality(variant: &Variant) -> (u64, Option<&str>, bool) {
    (variant.bandwidth, variant.codecs.as_deref(), variant.has_resolution)
}

fn variant_label(variant: &Variant) -> String {
    variant.name.clone().unwrap_or_else(|| format!("{} bit/s", variant.bandwidth))
}

/// Returns true if the audio of the variant can be decoded, as far as its CODECS shows.
fn is_playable(variant: &Variant) -> bool {
    variant.codecs.as_deref().and_then(undecodable).is_none()
}

/// Returns true if the variant has no video, according to its name (IVS), or to its codecs and the lack of a
/// resolution.
fn is_audio_only(variant: &Variant) -> bool {
    let named = variant.name.as_deref().is_some_and(|name| {
        let name = name.to_ascii_lowercase().replace([' ', '-'], "_");
        name == "audio_only" || name == "audio"
    });
    let is_audio = |codec: &str| codec_kind(codec) != CodecKind::NotAudio;
    let codecs = variant.codecs.as_deref();
    named || !variant.has_resolution && codecs.is_some_and(|codecs| codecs.split(',').all(is_audio))
}

#[cfg(test)]
mod tests;

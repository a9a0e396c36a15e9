//! Choice of the rendition of a master playlist that is followed.

use url::Url;

use super::playlist::{AudioMedia, MasterPlaylist, Variant};
use super::settings::RenditionChoice;

/// The chosen rendition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChosenRendition {
    /// URL of the media playlist of the rendition.
    pub(super) url: Url,
    /// Name of the rendition, to display it and to detect a change of the rendition.
    pub(super) label: String,
}

/// Returns the rendition of `master` that `choice` selects, or `None` if there is no such rendition.
///
/// Only audio is needed, so the automatic choice is a variant without video. If none exists, it is an audio rendition
/// with a separate playlist, or else the variant with the lowest bandwidth.
pub(super) fn choose(master: &MasterPlaylist, choice: &RenditionChoice) -> Option<ChosenRendition> {
    match choice {
        RenditionChoice::Automatic => automatic(master),
        RenditionChoice::Name(name) => named(master, name),
        RenditionChoice::Index(index) => master.variants.get(*index).map(|variant| audio_of(master, variant)),
        RenditionChoice::MaxBandwidth(max_bandwidth) => {
            let below = master.variants.iter().filter(|variant| variant.bandwidth <= *max_bandwidth);
            let best = below.max_by_key(|variant| variant.bandwidth);
            best.or_else(|| lowest(master.variants.iter())).map(|variant| audio_of(master, variant))
        }
    }
}

/// Returns the choice as text, for an error message.
pub(super) fn choice_text(choice: &RenditionChoice) -> String {
    match choice {
        RenditionChoice::Automatic => "with audio".to_owned(),
        RenditionChoice::Name(name) => format!("{name:?}"),
        RenditionChoice::Index(index) => format!("number {index} (from 0)"),
        RenditionChoice::MaxBandwidth(max_bandwidth) => format!("of at most {max_bandwidth} bit/s"),
    }
}

/// Returns the names of the first 20 variants and audio renditions, for an error message.
pub(super) fn names(master: &MasterPlaylist) -> String {
    let variants = master.variants.iter().map(label);
    let audio = master.audio.iter().filter(|media| media.url.is_some()).map(|media| media.name.clone());
    let names = variants.chain(audio).take(20).collect::<Vec<_>>();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn automatic(master: &MasterPlaylist) -> Option<ChosenRendition> {
    if let Some(variant) = lowest(master.variants.iter().filter(|variant| is_audio_only(variant))) {
        return Some(audio_of(master, variant));
    }
    // Audio renditions usually have the same content for all variants, so the group of the smallest variant is used.
    let cheapest = lowest(master.variants.iter());
    let group = cheapest.and_then(|variant| variant.audio.as_deref());
    let alone = |media: &&AudioMedia| media.url.is_some() && group.is_none_or(|group| media.group == group);
    let mut audio = master.audio.iter().filter(alone);
    // Without a default the first rendition is the main one (RFC 8216, 4.3.4.2.1 leaves the choice to the client).
    let first = audio.clone().next();
    let best = audio.find(|media| media.default).or(first);
    best.and_then(of_audio).or_else(|| cheapest.map(of_variant))
}

fn named(master: &MasterPlaylist, name: &str) -> Option<ChosenRendition> {
    let is = |other: &str| other.eq_ignore_ascii_case(name);
    let variant = master.variants.iter().find(|variant| variant.name.as_deref().is_some_and(is));
    let audio =
        || master.audio.iter().filter(|media| is(&media.name) || media.language.as_deref().is_some_and(is));
    variant.map(|variant| audio_of(master, variant)).or_else(|| audio().find_map(of_audio))
}

/// Returns the audio rendition of the variant if it has a separate playlist, otherwise the variant itself.
fn audio_of(master: &MasterPlaylist, variant: &Variant) -> ChosenRendition {
    let in_group = || master.audio.iter().filter(|media| Some(&media.group) == variant.audio.as_ref());
    // A member of the group without a URL means that its audio is in the variant.
    let best = in_group().find(|media| media.default).or_else(|| in_group().next());
    best.and_then(of_audio).unwrap_or_else(|| of_variant(variant))
}

fn of_variant(variant: &Variant) -> ChosenRendition {
    ChosenRendition { url: variant.url.clone(), label: label(variant) }
}

fn of_audio(media: &AudioMedia) -> Option<ChosenRendition> {
    Some(ChosenRendition { url: media.url.clone()?, label: media.name.clone() })
}

fn label(variant: &Variant) -> String {
    variant.name.clone().unwrap_or_else(|| format!("{} bit/s", variant.bandwidth))
}

fn lowest<'a>(variants: impl Iterator<Item = &'a Variant>) -> Option<&'a Variant> {
    variants.min_by_key(|variant| variant.bandwidth)
}

/// Returns true if the variant has no video, according to its name (IVS), or to its codecs and the lack of a
/// resolution.
fn is_audio_only(variant: &Variant) -> bool {
    let named = variant.name.as_deref().is_some_and(|name| {
        let name = name.to_ascii_lowercase().replace([' ', '-'], "_");
        name == "audio_only" || name == "audio"
    });
    let is_audio = |codec: &str| {
        let kind = codec.trim().split('.').next().unwrap_or_default().to_ascii_lowercase();
        matches!(kind.as_str(), "mp4a" | "ac-3" | "ec-3" | "ac-4" | "opus" | "flac" | "alac" | "mp3")
    };
    let codecs = variant.codecs.as_deref();
    named || !variant.has_resolution && codecs.is_some_and(|codecs| codecs.split(',').all(is_audio))
}

#[cfg(test)]
mod tests {
    use super::super::playlist::{Playlist, parse};
    use super::*;

    fn chosen(text: &str, choice: &RenditionChoice) -> Option<String> {
        let base = Url::parse("https://h.example/").unwrap();
        let Ok(Playlist::Master(master)) = parse(text.as_bytes(), &base) else { panic!("no master") };
        choose(&master, choice).map(|chosen| chosen.url.path().to_owned())
    }

    const IVS: &str = "#EXTM3U\n#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"720p60\",NAME=\"720p60\"\n#EXT-X-STREAM-INF:BANDWIDTH=2000,CODECS=\"avc1.4,mp4a.40.2\",RESOLUTION=1x1,VIDEO=\"720p60\"\nhigh\n#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"avc1.4,mp4a.40.2\",RESOLUTION=1x1,VIDEO=\"160p\"\nlow\n#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"audio_only\",NAME=\"Audio Only\"\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS=\"mp4a.40.2\",VIDEO=\"audio_only\"\naudio\n";

    #[test]
    fn audio_only_is_preferred_then_the_lowest_bandwidth() {
        let automatic = RenditionChoice::Automatic;
        assert_eq!(chosen(IVS, &automatic).as_deref(), Some("/audio"));
        let without = IVS.split("#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"audio_only\"").next().unwrap();
        assert_eq!(chosen(without, &automatic).as_deref(), Some("/low"));
        let group = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"de\",URI=\"de\"\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",DEFAULT=YES,URI=\"en\"\n#EXT-X-STREAM-INF:BANDWIDTH=9,CODECS=\"avc1.4,mp4a.40.2\",AUDIO=\"a\"\nv\n";
        assert_eq!(chosen(group, &automatic).as_deref(), Some("/en"));
        assert_eq!(chosen(group, &RenditionChoice::Name("DE".to_owned())).as_deref(), Some("/de"));
        assert_eq!(chosen(group, &RenditionChoice::Index(0)).as_deref(), Some("/en"));
        let inside = group.replace(",URI=\"en\"", "").replace(",URI=\"de\"", "");
        assert_eq!(chosen(&inside, &automatic).as_deref(), Some("/v"));
    }

    #[test]
    fn a_setting_overrides_the_automatic_choice() {
        let of = |choice| chosen(IVS, &choice);
        assert_eq!(of(RenditionChoice::Name("720P60".to_owned())).as_deref(), Some("/high"));
        assert_eq!(of(RenditionChoice::Name("4k".to_owned())), None);
        assert_eq!(of(RenditionChoice::Index(1)).as_deref(), Some("/low"));
        assert_eq!(of(RenditionChoice::Index(3)), None);
        assert_eq!(of(RenditionChoice::MaxBandwidth(950)).as_deref(), Some("/low"));
        assert_eq!(of(RenditionChoice::MaxBandwidth(5)).as_deref(), Some("/low"));
        assert_eq!(of(RenditionChoice::MaxBandwidth(9000)).as_deref(), Some("/high"));
    }
}

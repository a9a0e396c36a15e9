//! Conversion of a master playlist from m3u8-rs to the model.

use m3u8_rs::{AlternativeMedia, AlternativeMediaType, VariantStream};
use url::Url;

use super::model::{AudioMedia, MasterPlaylist, Variant};
use super::variables::Variables;

pub(super) fn complete(read: &m3u8_rs::MasterPlaylist, base: &Url, variables: Variables) -> MasterPlaylist {
    let variants =
        read.variants.iter().filter_map(|stream| variant(stream, &read.alternatives, base)).collect();
    let audio = read.alternatives.iter().filter_map(|media| audio(media, base)).collect();
    MasterPlaylist { variants, audio, variables }
}

fn variant(stream: &VariantStream, media: &[AlternativeMedia], base: &Url) -> Option<Variant> {
    if stream.uri.is_empty() {
        return None;
    }
    let own = stream.other_attributes.as_ref().and_then(|others| others.get("NAME"));
    let of_group = || {
        let group = stream.video.as_ref()?;
        media.iter().find(|media| media.media_type == AlternativeMediaType::Video && media.group_id == *group)
    };
    // IVS writes VIDEO="audio_only" and an EXT-X-MEDIA of that group with a display NAME. The name of the group is
    // stable.
    let name =
        own.map(|name| name.as_str().to_owned()).or_else(|| of_group().map(|media| media.group_id.clone()));
    Some(Variant {
        url: base.join(&stream.uri).ok()?,
        bandwidth: stream.bandwidth,
        codecs: stream.codecs.clone(),
        name,
        audio: stream.audio.clone(),
        has_resolution: stream.resolution.is_some(),
    })
}

fn audio(media: &AlternativeMedia, base: &Url) -> Option<AudioMedia> {
    if media.media_type != AlternativeMediaType::Audio {
        return None;
    }
    Some(AudioMedia {
        url: media.uri.as_ref().and_then(|uri| base.join(uri).ok()),
        group: media.group_id.clone(),
        name: media.name.clone(),
        language: media.language.clone(),
        default: media.default,
    })
}

//! Conversion of a master playlist from m3u8-rs to the model.

use std::collections::HashSet;

use m3u8_rs::{AlternativeMedia, AlternativeMediaType, VariantStream};
use url::Url;

use super::model::{AudioMedia, MasterPlaylist, Variant};
use super::variables::Variables;

pub(super) fn complete(read: &m3u8_rs::MasterPlaylist, base: &Url, variables: Variables) -> MasterPlaylist {
    let videos = read.alternatives.iter().filter(|media| media.media_type == AlternativeMediaType::Video);
    // A set, because a hostile playlist has thousands of both, and each variant searches its group.
    let groups: HashSet<&str> = videos.map(|media| media.group_id.as_str()).collect();
    let variants = read.variants.iter().filter_map(|stream| variant(stream, &groups, base)).collect();
    let audio = read.alternatives.iter().filter_map(|media| audio(media, base)).collect();
    MasterPlaylist { variants, audio, variables }
}

/// Converts a variant. `groups` contains the GROUP-IDs of the video renditions.
fn variant(stream: &VariantStream, groups: &HashSet<&str>, base: &Url) -> Option<Variant> {
    if stream.uri.is_empty() {
        return None;
    }
    let own = stream.other_attributes.as_ref().and_then(|others| others.get("NAME"));
    // IVS writes VIDEO="audio_only" and an EXT-X-MEDIA of that group with a display NAME. The name of the group is
    // stable.
    let group = stream.video.as_ref().filter(|group| groups.contains(group.as_str()));
    let name = own.map(|name| name.as_str().to_owned()).or_else(|| group.cloned());
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
        describes_video: media.characteristics.as_deref().is_some_and(|all| {
            all.split(',').any(|one| one.trim().eq_ignore_ascii_case("public.accessibility.describes-video"))
        }),
    })
}

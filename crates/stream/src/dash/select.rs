//! Choice of the representation.

use std::collections::HashSet;

use refrain_core::audio::is_same_language;

use super::mpd::{Mpd, MpdError, Period, Representation};
use super::segments::unaddressable;
use crate::codecs::{CodecKind, codec_kind, undecodable};
use crate::hls::RenditionChoice;

/// Maximum number of representations that replace each other, including those of further base URLs; as for HLS.
const MAX_CANDIDATES: usize = 32;

/// Maximum number of representations that an error names. Half or twice this value only changes the length of messages.
const MAX_SHOWN: usize = 20;

/// A representation that can be followed. In each period, the representation that resembles it most is followed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selection {
    /// Name, which is unique, to display the representation and to detect a change.
    pub(super) label: String,
    id: String,
    set: Option<String>,
    language: Option<String>,
    bandwidth: u64,
    is_description: bool,
    is_audio_only: bool,
    /// Index of the base URL.
    pub(super) base: usize,
}

impl Selection {
    fn new(representation: &Representation, base: usize, labels: &mut HashSet<String>) -> Self {
        let name = name(representation);
        let host = representation.bases.get(base).and_then(|base| base.url.host_str());
        let label = match host.filter(|_| base > 0) {
            Some(host) => format!("{name} ({host})"),
            None => name,
        };
        let mut unique = label.clone();
        let mut count = 1;
        while !labels.insert(unique.clone()) {
            count += 1;
            unique = format!("{label} ({count})");
        }
        Self {
            label: unique,
            id: representation.id.clone(),
            set: representation.set.clone(),
            language: representation.language.clone(),
            bandwidth: representation.bandwidth,
            is_description: representation.is_description,
            is_audio_only: is_audio_only(representation),
            base,
        }
    }

    /// Returns the representation of a period that resembles this one most; `None` if none can be followed.
    pub(super) fn in_period<'a>(&self, period: &'a Period) -> Option<&'a Representation> {
        let usable =
            period.representations.iter().filter(|representation| unusable(representation).is_none());
        usable.min_by_key(|representation| {
            (
                representation.language != self.language,
                representation.is_description != self.is_description,
                is_audio_only(representation) != self.is_audio_only,
                representation.id != self.id,
                self.set.is_some() && representation.set != self.set,
                representation.bandwidth.abs_diff(self.bandwidth),
            )
        })
    }
}

/// Returns the representations in order of preference, the one that `choice` selects first. The others replace it while
/// it fails: first the further base URLs of the same one.
///
/// The automatic choice is audio in the preferred language, without descriptions for the visually impaired, not mixed
/// with video, with the role `main`, with the lowest bandwidth.
///
/// # Errors
/// [`MpdError`] with the reason if no representation can be used.
pub(super) fn candidates(
    mpd: &Mpd,
    choice: &RenditionChoice,
    language: Option<&str>,
) -> Result<Vec<Selection>, MpdError> {
    let usable = |period: &&Period| period.representations.iter().any(|one| unusable(one).is_none());
    // The newest period of a live stream and the first one of a recording are followed first.
    let period = match mpd.is_dynamic {
        true => mpd.periods.iter().rev().find(usable),
        false => mpd.periods.iter().find(usable),
    };
    let Some(period) = period else { return Err(no_audio(mpd)) };
    let listed: Vec<&Representation> =
        period.representations.iter().filter(|one| unusable(one).is_none()).collect();
    let mut automatic = listed.clone();
    automatic.sort_by_key(|one| {
        let is_wanted = |wanted| one.language.as_deref().is_some_and(|own| is_same_language(own, wanted));
        (
            language.is_some_and(|wanted| !is_wanted(wanted)),
            one.is_description,
            !is_audio_only(one),
            !one.is_main,
            one.bandwidth,
        )
    });
    let selected = selected(&listed, &automatic, choice);
    if selected.is_empty() && *choice != RenditionChoice::Automatic {
        let found = listed.iter().take(MAX_SHOWN).map(|one| name(one)).collect::<Vec<_>>();
        let wanted = match choice {
            RenditionChoice::Name(name) => format!("{name:?}"),
            RenditionChoice::Index(index) => format!("number {index} (from 0)"),
            RenditionChoice::Automatic | RenditionChoice::MaxBandwidth(_) => "with audio".to_owned(),
        };
        return Err(MpdError::NoRendition { wanted, found: found.join(", ") });
    }
    let mut order: Vec<&Representation> = Vec::new();
    for one in selected.into_iter().chain(automatic) {
        if !order.iter().any(|known| std::ptr::eq(*known, one)) {
            order.push(one);
        }
    }
    let mut labels = HashSet::new();
    let pairs = order.into_iter().flat_map(|one| (0..one.bases.len().max(1)).map(move |base| (one, base)));
    Ok(pairs.take(MAX_CANDIDATES).map(|(one, base)| Selection::new(one, base, &mut labels)).collect())
}

/// Returns the representations that a choice selects explicitly, in order of preference.
fn selected<'a>(
    listed: &[&'a Representation],
    automatic: &[&'a Representation],
    choice: &RenditionChoice,
) -> Vec<&'a Representation> {
    match choice {
        RenditionChoice::Automatic => Vec::new(),
        RenditionChoice::Index(index) => listed.get(*index).copied().into_iter().collect(),
        RenditionChoice::Name(name) => {
            let is = |other: &str| other.eq_ignore_ascii_case(name);
            let named = automatic.iter().copied().filter(|one| {
                let language = one.language.as_deref();
                is(&one.id)
                    || one.label.as_deref().is_some_and(is)
                    || language.is_some_and(|language| is_same_language(language, name))
            });
            named.collect()
        }
        RenditionChoice::MaxBandwidth(max) => {
            // The best representation decides the language and the role; the bandwidth is that of its alternatives.
            let Some(best) = automatic.first() else { return Vec::new() };
            let alternatives = automatic.iter().copied().filter(|one| {
                one.language == best.language
                    && one.is_description == best.is_description
                    && is_audio_only(one) == is_audio_only(best)
            });
            let mut below: Vec<_> = alternatives.filter(|one| one.bandwidth <= *max).collect();
            below.sort_by_key(|one| std::cmp::Reverse(one.bandwidth));
            if below.is_empty() { vec![*best] } else { below }
        }
    }
}

/// Returns the name of a representation: its id, or else its bandwidth.
fn name(representation: &Representation) -> String {
    match representation.id.as_str() {
        "" => format!("{} bit/s", representation.bandwidth),
        id => id.to_owned(),
    }
}

/// Returns the reason why a representation cannot be followed; `None` if it can be.
fn unusable(representation: &Representation) -> Option<String> {
    let mime = representation.mime.as_deref().unwrap_or_default();
    let codecs = representation.codecs.as_deref();
    if let Some(undecodable) = codecs.and_then(undecodable) {
        return Some(format!("codec {undecodable}"));
    }
    let has_audio_codec =
        codecs.is_some_and(|codecs| codecs.split(',').any(|codec| codec_kind(codec) == CodecKind::Decodable));
    let is_audio = representation.content.as_deref() == Some("audio") || mime.starts_with("audio/");
    // An audio representation with an unknown codec is decoded as far as possible.
    if !has_audio_codec && !is_audio {
        return Some("no audio".to_owned());
    }
    if mime.ends_with("/webm") {
        return Some(format!("segments of {mime}"));
    }
    if let Some(systems) = &representation.protection {
        return Some(format!("encrypted by {systems}"));
    }
    unaddressable(&representation.info).map(str::to_owned)
}

fn is_audio_only(representation: &Representation) -> bool {
    let mime = representation.mime.as_deref().unwrap_or_default();
    !mime.starts_with("video/") && representation.content.as_deref().is_none_or(|content| content == "audio")
}

/// Returns the error of a manifest without a representation that can be followed.
fn no_audio(mpd: &Mpd) -> MpdError {
    let all = || mpd.periods.iter().flat_map(|period| &period.representations);
    let has_audio = |one: &&Representation| {
        let clear = Representation { protection: None, ..(*one).clone() };
        one.protection.is_some() && unusable(&clear).is_none()
    };
    if let Some(systems) = all().find(has_audio).and_then(|one| one.protection.clone()) {
        return MpdError::Encrypted(systems);
    }
    let mut reasons: Vec<String> =
        all().filter_map(unusable).filter(|reason| reason != "no audio").take(MAX_SHOWN).collect();
    reasons.dedup();
    if reasons.is_empty() && mpd.periods.iter().any(|period| period.is_remote) {
        reasons.push("its periods are in other documents (xlink), which are not loaded".to_owned());
    }
    let reason = if reasons.is_empty() { "it has no audio".to_owned() } else { reasons.join("; ") };
    MpdError::NoAudio(reason)
}

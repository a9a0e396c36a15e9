//! Sounds to tracks.

use refrain_catalog::{ContentHash, NewTrack, Rule, Track, TrackUpdate};
use refrain_core::fingerprint::Constellation;

use super::Sound;
use super::damage::damage;
use crate::metadata::{Fields, from_tags};

/// A track to be added.
#[derive(Debug)]
pub struct Learnt {
    /// As the catalogue takes it.
    pub track: NewTrack,
    /// Its peaks.
    pub constellation: Constellation,
    /// What could not be read of it, for a person.
    pub damage: Option<String>,
}

/// A sound without anything that could be recognised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: nothing to recognise in it: it is silent or has no tones; leave it out")]
pub struct NothingToLearn {
    source_name: String,
}

/// The track that a sound becomes. `given` says what somebody gave for it, by the ISRC of its tags if that is what counts;
/// tags fill the rest. Without a rule given it has `rule`.
///
/// # Errors
/// [`NothingToLearn`] if it has no peaks.
pub fn learn(
    sound: Sound,
    source: &str,
    content: ContentHash,
    given: impl FnOnce(Option<&str>) -> Option<Fields>,
    rule: Option<Rule>,
) -> Result<Learnt, NothingToLearn> {
    if sound.constellation.peaks.is_empty() {
        return Err(NothingToLearn { source_name: source.to_owned() });
    }
    let tags = from_tags(&sound.tags);
    let fields = given(tags.metadata.isrc.as_deref()).unwrap_or_default().over(tags);
    let track = NewTrack {
        id: None,
        source: source.to_owned(),
        content,
        seconds: sound.constellation.seconds,
        metadata: fields.metadata,
        rule: fields.rule.or(rule),
        constellation: sound.constellation.to_bytes(),
    };
    Ok(Learnt { track, constellation: sound.constellation, damage: damage(&sound.report) })
}

/// What the values that somebody gave change about a track whose sound is known; `rule` is for one without. `None` if they
/// change nothing.
#[must_use]
pub fn relabelled(track: &Track, given: Option<Fields>, rule: Option<Rule>) -> Option<TrackUpdate> {
    let old = Fields { metadata: track.metadata.clone(), rule: track.rule.clone() };
    let mut new = given.unwrap_or_default().over(old.clone());
    new.rule = new.rule.or(rule);
    let update = TrackUpdate {
        metadata: (new.metadata != old.metadata).then_some(new.metadata),
        rule: (new.rule != old.rule).then_some(new.rule),
    };
    (update != TrackUpdate::default()).then_some(update)
}

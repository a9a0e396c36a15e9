//! One file: is it known, and if not, what does it sound like?

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use refrain_catalog::{ContentHash, NewTrack, Rule, Track, TrackUpdate};
use refrain_core::audio::AudioReader;
use refrain_core::fingerprint::{Constellation, Density};

use super::Found;
use crate::identify::damage;
use crate::metadata::{Fields, MetadataFile, from_tags};
use crate::sound;
use crate::store::Store;

/// What became of one file.
#[derive(Debug)]
pub(crate) enum Learned {
    /// The catalogue has this file; its metadata may change.
    Known(Box<(Track, Option<TrackUpdate>)>),
    /// To be added.
    New(Box<New>),
}

/// A track to be added.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) track: NewTrack,
    pub(crate) constellation: Constellation,
    /// What could not be read of the file, for a person.
    pub(crate) damage: Option<String>,
}

/// Learns files, on any thread.
pub(crate) struct Learner<'a> {
    store: &'a Store,
    metadata: &'a MetadataFile,
    rule: Option<Rule>,
}

/// Size and time of change: what gives away that somebody writes to a file.
type Stamp = (u64, Option<SystemTime>);

impl<'a> Learner<'a> {
    /// A learner that gives tracks their values from the metadata file; `rule` is for tracks that have none.
    pub(crate) fn new(store: &'a Store, metadata: &'a MetadataFile, rule: Option<Rule>) -> Self {
        Self { store, metadata, rule }
    }

    /// Looks the file up, and decodes it if it is new.
    ///
    /// # Errors
    /// Why there is no track of it, naming the file.
    pub(crate) fn learn(&self, file: &Found) -> Result<Learned> {
        let before = stamp(&file.path)?;
        let content = hash(&file.path)?;
        let known = self.store.wait(self.store.catalog().find_by_source(&file.source))?;
        let old_rule = match known {
            Some(track) if track.content == content => {
                let update = self.update(&track);
                return Ok(Learned::Known(Box::new((track, update))));
            }
            known => known.and_then(|track| track.rule),
        };
        let reader = AudioReader::open(&file.path, &sound::limits())?;
        let sound = sound::fingerprint(reader, Density::Reference, |_| ())?;
        if stamp(&file.path)? != before {
            bail!("{}: the file changed while it was read; index it again when it is complete", file.source);
        }
        if sound.constellation.peaks.is_empty() {
            bail!("{}: nothing to recognise in it: it is silent or has no tones; leave it out", file.source);
        }
        let tags = from_tags(&sound.tags);
        let given = self.metadata.find(&file.source, tags.metadata.isrc.as_deref());
        let fields = given.cloned().unwrap_or_default().over(tags);
        let damage = damage(&sound.report);
        let track = NewTrack {
            id: None,
            source: file.source.clone(),
            content,
            seconds: sound.constellation.seconds,
            metadata: fields.metadata,
            rule: fields.rule.or(old_rule).or_else(|| self.rule.clone()),
            constellation: sound.constellation.to_bytes(),
        };
        Ok(Learned::New(Box::new(New { track, constellation: sound.constellation, damage })))
    }

    /// What the metadata file and the rule change about a track whose sound is known.
    fn update(&self, track: &Track) -> Option<TrackUpdate> {
        let given = self.metadata.find(&track.source, track.metadata.isrc.as_deref()).cloned();
        let old = Fields { metadata: track.metadata.clone(), rule: track.rule.clone() };
        let mut new = given.unwrap_or_default().over(old.clone());
        new.rule = new.rule.or_else(|| self.rule.clone());
        let update = TrackUpdate {
            metadata: (new.metadata != old.metadata).then_some(new.metadata),
            rule: (new.rule != old.rule).then_some(new.rule),
        };
        (update != TrackUpdate::default()).then_some(update)
    }
}

fn stamp(path: &Path) -> Result<Stamp> {
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok((metadata.len(), metadata.modified().ok()))
}

fn hash(path: &Path) -> Result<ContentHash> {
    let mut hasher = blake3::Hasher::new();
    File::open(path)
        .and_then(|mut file| io::copy(&mut file, &mut hasher))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(ContentHash(*hasher.finalize().as_bytes()))
}

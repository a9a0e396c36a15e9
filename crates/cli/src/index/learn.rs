//! One file: is it known, and if not, what does it sound like?

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use refrain_catalog::{ContentHash, Rule, Track, TrackUpdate};
use refrain_core::audio::shown_name;
use refrain_core::fingerprint::Density;
use refrain_isolation::open_path;
use refrain_service::sound::{self, Learnt};

use super::Found;
use crate::metadata::MetadataFile;
use crate::output::clean;
use crate::store::Store;

/// What became of one file.
#[derive(Debug)]
pub(crate) enum Learned {
    /// The catalogue has this file; its metadata may change.
    Known(Box<(Track, Option<TrackUpdate>)>),
    /// To be added.
    New(Box<Learnt>),
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
        let sound = open_path(&file.path, &sound::limits())?.fingerprint(Density::Reference)?;
        if stamp(&file.path)? != before {
            bail!(
                "{}: the file changed while it was read; index it again when it is complete",
                clean(&file.source)
            );
        }
        let given = |isrc: Option<&str>| self.metadata.find(&file.source, isrc).cloned();
        let rule = old_rule.or_else(|| self.rule.clone());
        Ok(Learned::New(Box::new(sound::learn(sound, &file.source, content, given, rule)?)))
    }

    /// What the metadata file and the rule change about a track whose sound is known.
    fn update(&self, track: &Track) -> Option<TrackUpdate> {
        let given = self.metadata.find(&track.source, track.metadata.isrc.as_deref()).cloned();
        sound::relabelled(track, given, self.rule.clone())
    }
}

fn stamp(path: &Path) -> Result<Stamp> {
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {}", shown_name(path)))?;
    Ok((metadata.len(), metadata.modified().ok()))
}

fn hash(path: &Path) -> Result<ContentHash> {
    let mut hasher = blake3::Hasher::new();
    File::open(path)
        .and_then(|mut file| io::copy(&mut file, &mut hasher))
        .with_context(|| format!("cannot read {}", shown_name(path)))?;
    Ok(ContentHash(*hasher.finalize().as_bytes()))
}

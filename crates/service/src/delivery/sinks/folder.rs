//! Sink that writes files to a folder.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;

use super::{DeliveryError, MAX_KEY_NUMBER, Sink, SinkMessage, too_many};
use crate::delivery::key::numbered;
use refrain_app::response::{advice, create_complete};

/// Sink that writes each message to its path below this folder. Only complete files become visible, and no file is
/// overwritten.
pub(super) struct Folder(pub(super) PathBuf);

#[async_trait]
impl Sink for Folder {
    async fn deliver(&self, message: SinkMessage) -> Result<(), DeliveryError> {
        let folder = self.0.clone();
        // Writing syncs to disk, which can take seconds on a busy disk and would block a thread of the runtime.
        match tokio::task::spawn_blocking(move || write(&folder, &message)).await {
            Ok(done) => done,
            Err(_) => Err(DeliveryError::Transient("the thread that writes to the folder panicked".into())),
        }
    }
}

fn write(folder: &Path, message: &SinkMessage) -> Result<(), DeliveryError> {
    let key = message.required_key()?;
    // Key templates cannot lead out of the folder, but the outbox is a table that other programs can write to.
    if !Path::new(key).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(DeliveryError::Permanent(format!("the key {key:?} leads out of the folder of the sink")));
    }
    let transient = |path: &Path, error: &io::Error| {
        DeliveryError::Transient(format!("cannot write {}: {error}; {}", path.display(), advice(error)))
    };
    let first = folder.join(key);
    let parent = first.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(|error| transient(parent, &error))?;
    for number in 1..=MAX_KEY_NUMBER {
        let path = folder.join(numbered(key, number));
        match create_complete(&path, &message.body, None) {
            Ok(()) => return Ok(()),
            // Every other error is transient: a person can free a full disk or grant a missing permission, and the
            // message must not be lost until then.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(transient(&path, &error));
            }
            // An earlier attempt wrote this file, and ended before the outbox recorded the delivery.
            Err(_) if fs::read(&path).is_ok_and(|existing| existing == message.text().as_bytes()) => {
                return Ok(());
            }
            Err(_) => {}
        }
    }
    Err(too_many(key))
}

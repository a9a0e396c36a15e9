//! Sink that writes files to a folder.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;

use super::{MOST_NUMBERS, Message, Sink, Undelivered, too_many};
use crate::delivery::key::numbered;
use refrain_app::response::{advice, create_complete};

/// Writes each message once under its path. Only complete files become visible, and no file is overwritten.
pub(super) struct Folder(pub(super) PathBuf);

#[async_trait]
impl Sink for Folder {
    async fn deliver(&self, message: Message) -> Result<(), Undelivered> {
        let folder = self.0.clone();
        match tokio::task::spawn_blocking(move || write(&folder, &message)).await {
            Ok(done) => done,
            Err(_) => Err(Undelivered::Again("the writer of the folder crashed".into())),
        }
    }
}

fn write(folder: &Path, message: &Message) -> Result<(), Undelivered> {
    let key = message.needed_key()?;
    // Key templates cannot lead out of the folder, but the outbox is a table that other programs can write to.
    if !Path::new(key).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(Undelivered::Refused(format!("{key:?} leads out of the folder")));
    }
    let again = |path: &Path, error: &io::Error| {
        Undelivered::Again(format!("cannot write {}: {error}; {}", path.display(), advice(error)))
    };
    let first = folder.join(key);
    let parent = first.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(|error| again(parent, &error))?;
    for number in 1..=MOST_NUMBERS {
        let path = folder.join(numbered(key, number));
        match create_complete(&path, &message.body, None) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(again(&path, &error)),
            // An earlier attempt wrote it and ended before the outbox recorded that.
            Err(_) if fs::read(&path).is_ok_and(|there| there == message.text().as_bytes()) => return Ok(()),
            Err(_) => {}
        }
    }
    Err(too_many(key))
}

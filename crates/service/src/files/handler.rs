//! Handler of messages about objects.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::archive::Archive;
use super::attempt::Requester;
use super::check::{Checked, check};
use super::error::FilesError;
use super::event::{ObjectEvent, parse};
use super::learn::{Indexed, label, learn};
use super::route::{Route, route};
use super::shared::Shared;
use crate::intake::{Handled, Handler};
use crate::outside::ObjectName;
use crate::settings::Roles;

/// Checks, indexes or labels the objects that messages are about.
pub(super) struct FilesHandler {
    pub(super) shared: Arc<Shared>,
    pub(super) archive: Arc<Archive>,
    pub(super) roles: Roles,
}

#[async_trait]
impl Handler for FilesHandler {
    async fn handle(&self, body: &str) -> Handled {
        let events = match parse(body) {
            Ok(events) => events,
            Err(why) => return Handled::Bury(why),
        };
        let _working = self.shared.working.token();
        let mut worst = Handled::Done;
        for event in events {
            worst = worse(worst, self.event(&event).await);
        }
        // The process is ending, which aborts reading. The next receiver of the message can start at once.
        match worst {
            Handled::Again(_) if self.shared.stop.is_cancelled() => Handled::Again(Duration::ZERO),
            worst => worst,
        }
    }
}

/// Returns what happens to a message with two events: a retry takes precedence over dead-lettering, and that over success.
fn worse(one: Handled, other: Handled) -> Handled {
    match (one, other) {
        (Handled::Again(one), Handled::Again(other)) => Handled::Again(one.min(other)),
        (Handled::Again(time), _) | (_, Handled::Again(time)) => Handled::Again(time),
        (Handled::Bury(one), Handled::Bury(other)) => Handled::Bury(format!("{one}; {other}")),
        (Handled::Bury(why), Handled::Done) | (Handled::Done, Handled::Bury(why)) => Handled::Bury(why),
        (Handled::Done, Handled::Done) => Handled::Done,
    }
}

impl FilesHandler {
    async fn event(&self, event: &ObjectEvent) -> Handled {
        let ObjectEvent { object, created } = event;
        let source = self.shared.settings.source.as_ref();
        if source.is_some_and(|source| *source != object.bucket) {
            return Handled::Bury(format!("{object} is in another bucket than that of the settings"));
        }
        if !created {
            tracing::debug!(%object, "ignoring event, the object was not created");
            return Handled::Done;
        }
        let route = route(&object.key, &self.shared.settings);
        let (role, name) = match route {
            Route::Nothing(why) => {
                tracing::debug!(%object, why, "ignoring object");
                return Handled::Done;
            }
            Route::NotAudio => {
                tracing::warn!(%object, "object is not indexed, its name is not that of an audio file");
                return Handled::Done;
            }
            Route::Check | Route::Segment(_) => (self.roles.check, "check"),
            Route::Index | Route::Sidecar => (self.roles.index, "index"),
        };
        if !role {
            return Handled::Bury(format!("{object}: this process does not have the role {name}"));
        }
        let done = match &route {
            Route::Check => check(&self.shared, object, Requester::Queue)
                .await
                .map(|checked| tell_checked(object, &checked)),
            Route::Index => learn(&self.shared, object, None, Requester::Queue)
                .await
                .map(|indexed| tell_indexed(object, &indexed)),
            Route::Sidecar => label(&self.shared, object).await.map(|songs| {
                tracing::info!(%object, songs, "metadata file applied");
            }),
            Route::Segment(segment) => self.archive.news(object, segment).await,
            Route::Nothing(_) | Route::NotAudio => Ok(()),
        };
        done.map_or_else(|error| self.failed(object, &error), |()| Handled::Done)
    }

    fn failed(&self, object: &ObjectName, error: &FilesError) -> Handled {
        let handled = error.handled();
        match &handled {
            Handled::Done => tracing::info!(%object, "object was deleted while it was read"),
            Handled::Bury(why) => {
                self.shared.measures.files_failed.add(1);
                tracing::warn!(%object, why, "object cannot be processed");
            }
            Handled::Again(after) => {
                tracing::warn!(%object, %error, seconds = after.as_secs(), "processing failed, retrying");
            }
        }
        handled
    }
}

fn tell_checked(object: &ObjectName, checked: &Checked) {
    match checked {
        Checked::Reported { report, found, seconds, failed: None, .. } => {
            tracing::info!(%object, %report, songs = found, seconds, "checked");
        }
        Checked::Reported { report, failed: Some(why), .. } => {
            tracing::warn!(%object, %report, why, "object cannot be checked");
        }
        Checked::Known { report } => {
            tracing::debug!(%object, %report, "report on this content exists already");
        }
        Checked::Vanished => tracing::info!(%object, "object was deleted before it was read"),
    }
}

fn tell_indexed(object: &ObjectName, indexed: &Indexed) {
    match indexed {
        Indexed::Added { track, damage } | Indexed::Replaced { track, damage } => {
            let replaced = matches!(indexed, Indexed::Replaced { .. });
            tracing::info!(%object, track = %track.id, replaced, seconds = track.seconds, "indexed");
            if let Some(damage) = damage {
                tracing::warn!(%object, damage, "object is damaged, indexed its readable part");
            }
        }
        Indexed::Unchanged { track, relabelled } => {
            tracing::info!(%object, track = %track.id, relabelled, "object was indexed before");
        }
        Indexed::Vanished => tracing::info!(%object, "object was deleted before it was read"),
    }
}

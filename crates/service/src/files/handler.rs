//! Handler of messages about objects.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::archive::Archive;
use super::attempt::Requester;
use super::check::{Checked, check};
use super::error::FilesError;
use super::event::{ObjectEvent, parse};
use super::index_object::{Indexed, apply_sidecar, index_object};
use super::route::{ObjectRoute, route};
use super::shared::FilesContext;
use crate::cloud::ObjectName;
use crate::queue_consumer::{Disposition, Handler};
use crate::settings::Roles;

/// Handles messages about objects: checks or indexes the objects, or applies metadata files.
pub(super) struct FilesHandler {
    pub(super) shared: Arc<FilesContext>,
    pub(super) archive: Arc<Archive>,
    pub(super) roles: Roles,
}

#[async_trait]
impl Handler for FilesHandler {
    async fn handle(&self, body: &str) -> Disposition {
        let events = match parse(body) {
            Ok(events) => events,
            Err(why) => return Disposition::DeadLetter(why),
        };
        // A shutdown waits until this token is dropped, at most for a grace period, and then aborts reading.
        let _working = self.shared.working.token();
        let mut worst = Disposition::Ack;
        for event in events {
            // All records are processed even if one fails. The message is retried as a whole, which repeats finished
            // objects without harm.
            worst = worse(worst, self.event(&event).await);
        }
        // If the process is ending, reading was aborted. Another process can handle the message at once.
        match worst {
            Disposition::Retry(_) if self.shared.stop.is_cancelled() => Disposition::Retry(Duration::ZERO),
            worst => worst,
        }
    }
}

/// Returns the disposition of a message with two events, whose own dispositions are `one` and `other`. A retry takes
/// precedence over dead-lettering, and dead-lettering over success. Of two retries, the one with the shorter pause is
/// made.
fn worse(one: Disposition, other: Disposition) -> Disposition {
    match (one, other) {
        (Disposition::Retry(one), Disposition::Retry(other)) => Disposition::Retry(one.min(other)),
        (Disposition::Retry(time), _) | (_, Disposition::Retry(time)) => Disposition::Retry(time),
        (Disposition::DeadLetter(one), Disposition::DeadLetter(other)) => {
            Disposition::DeadLetter(format!("{one}; {other}"))
        }
        (Disposition::DeadLetter(why), Disposition::Ack)
        | (Disposition::Ack, Disposition::DeadLetter(why)) => Disposition::DeadLetter(why),
        (Disposition::Ack, Disposition::Ack) => Disposition::Ack,
    }
}

impl FilesHandler {
    async fn event(&self, event: &ObjectEvent) -> Disposition {
        let ObjectEvent { object, created } = event;
        let source = self.shared.settings.source.as_ref();
        // A message of another bucket is an error in the notification settings, so it is kept in the dead-letter queue
        // where somebody sees it.
        if source.is_some_and(|source| *source != object.bucket) {
            return Disposition::DeadLetter(format!(
                "{object} is in another bucket than buckets.source; correct the setting, or the notifications of the \
                 bucket"
            ));
        }
        if !created {
            tracing::debug!(%object, "ignoring the event, because it is not the creation of an object");
            return Disposition::Ack;
        }
        let route = route(&object.key, &self.shared.settings);
        let (role, name) = match route {
            ObjectRoute::Nothing(why) => {
                tracing::debug!(%object, why, "neither checking nor indexing the object");
                return Disposition::Ack;
            }
            ObjectRoute::NotAudio => {
                tracing::warn!(
                    %object,
                    "object is not indexed, because its name does not have the extension of an audio file"
                );
                return Disposition::Ack;
            }
            ObjectRoute::Check | ObjectRoute::Segment(_) => (self.roles.check, "check"),
            ObjectRoute::Index | ObjectRoute::Sidecar => (self.roles.index, "index"),
        };
        if !role {
            return Disposition::DeadLetter(format!(
                "{object}: this process does not have the role {name}, which processes this object; add the role, or \
                 send events of such objects to a queue of a process that has it"
            ));
        }
        let done = match &route {
            ObjectRoute::Check => check(&self.shared, object, Requester::Queue)
                .await
                .map(|checked| log_checked(object, &checked)),
            ObjectRoute::Index => index_object(&self.shared, object, None, Requester::Queue)
                .await
                .map(|indexed| log_indexed(object, &indexed)),
            ObjectRoute::Sidecar => apply_sidecar(&self.shared, object).await.map(|songs| {
                tracing::info!(%object, songs, "metadata file applied to the indexed songs that it belongs to");
            }),
            ObjectRoute::Segment(segment) => self.archive.segment_written(object, segment).await,
            ObjectRoute::Nothing(_) | ObjectRoute::NotAudio => Ok(()),
        };
        done.map_or_else(|error| self.failed(object, &error), |()| Disposition::Ack)
    }

    fn failed(&self, object: &ObjectName, error: &FilesError) -> Disposition {
        let disposition = error.disposition();
        match &disposition {
            Disposition::Ack => {
                tracing::info!(%object, "object was deleted while it was read, ignoring its event");
            }
            Disposition::DeadLetter(why) => {
                self.shared.counters.files_failed.add(1);
                tracing::warn!(%object, why, "object cannot be processed, moving its message to the dead-letter queue");
            }
            Disposition::Retry(after) => {
                tracing::warn!(
                    %object,
                    %error,
                    retry_seconds = after.as_secs(),
                    "processing of the object failed, retrying"
                );
            }
        }
        disposition
    }
}

fn log_checked(object: &ObjectName, checked: &Checked) {
    match checked {
        Checked::Reported { report, found, seconds, failed: None, .. } => {
            tracing::info!(%object, %report, songs = found, seconds, "object checked");
        }
        Checked::Reported { report, failed: Some(why), .. } => {
            tracing::warn!(%object, %report, why, "object cannot be checked, its report contains the reason");
        }
        Checked::Known { report } => {
            tracing::debug!(%object, %report, "report on this content exists already, not checking the object again");
        }
        Checked::Deleted => {
            tracing::info!(%object, "object was deleted before it was read, ignoring its event");
        }
    }
}

fn log_indexed(object: &ObjectName, indexed: &Indexed) {
    match indexed {
        Indexed::Added { track, damage } | Indexed::Replaced { track, damage } => {
            let replaced = matches!(indexed, Indexed::Replaced { .. });
            tracing::info!(%object, track = %track.id, replaced, seconds = track.seconds, "object indexed");
            if let Some(damage) = damage {
                tracing::warn!(%object, damage, "object is damaged, indexed its readable part");
            }
        }
        Indexed::Unchanged { track, relabelled } => {
            tracing::info!(
                %object,
                track = %track.id,
                metadata_changed = relabelled,
                "content of the object was indexed before, not indexing it again"
            );
        }
        Indexed::Deleted => {
            tracing::info!(%object, "object was deleted before it was read, ignoring its event");
        }
    }
}

//! Checks an object and writes its report.

use std::collections::HashMap;
use std::sync::Arc;

use refrain_catalog::{Detection, DetectionId, DetectionSource, StoredDetection, Track, TrackNumber};
use refrain_core::audio::AudioError;
use refrain_core::fingerprint::Density;
use refrain_core::matching::Match;
use refrain_core::matching::live::EventKind;
use refrain_isolation::open_seekable;

use super::attempt::{Attempt, Requester};
use super::error::FilesError;
use super::object_key::stem;
use super::reader::ObjectSource;
use super::report;
use super::shared::FilesContext;
use crate::cloud::{ObjectFacts, ObjectName};
use crate::delivery::DetectionEvent;
use crate::settings::DetectionOrigin;
use refrain_app::audio_file::{self, Identification, song_name};
use refrain_app::response::{INTERNAL, OVER_LIMIT, Response};

/// Outcome of checking an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Checked {
    /// A report was written.
    Reported {
        /// The object of the report.
        report: ObjectName,
        /// Content of the report, JSON.
        response: String,
        /// Number of songs that were found.
        found: usize,
        /// Duration of the decoded audio in seconds; 0 if nothing was decoded.
        seconds: f64,
        /// Reason why the object could not be checked; `None` if it was checked.
        failed: Option<String>,
    },
    /// The content of the object has not changed since an earlier check, whose report exists.
    Known {
        /// The object of the report.
        report: ObjectName,
    },
    /// The object does not exist any more.
    Deleted,
}

/// Reason why an object has no result: the code of the response, and a message.
type CheckFailure = (u16, String);

/// An object and the facts that identify its content.
pub(super) struct ObjectContent<'a> {
    object: &'a ObjectName,
    facts: &'a ObjectFacts,
}

/// Checks an object and writes its report. If a report on the same content exists, only a request of a person repeats
/// the check.
///
/// If the check is interrupted and repeated, it reports nothing twice: the names of detections and messages depend only
/// on the content, and the report is written last.
pub(super) async fn check(
    shared: &Arc<FilesContext>,
    object: &ObjectName,
    requester: Requester,
) -> Result<Checked, FilesError> {
    let Some(facts) = shared.facts(object).await? else { return Ok(Checked::Deleted) };
    let etag = facts.etag.as_deref();
    let location = report::location(shared, object, etag).await?;
    if location.is_current && requester == Requester::Queue {
        return Ok(Checked::Known { report: location.name });
    }
    let (identification, quarantined) = match identification(shared, object, &facts, requester).await {
        // The report contains this reason too. The error then moves the message to the dead-letter queue.
        Err(error @ FilesError::Quarantined(_)) => (Err((INTERNAL, error.to_string())), Some(error)),
        identification => (identification?, None),
    };
    let content = ObjectContent { object, facts: &facts };
    let name = object.to_string();
    let (mut found, mut seconds, mut failed) = (0, 0.0, None);
    let tracks;
    let response = match &identification {
        Ok(identification) => {
            tracks = tracks_of(shared, identification).await?;
            (found, seconds) = (identification.matches.found.len(), identification.seconds);
            record(shared, &content, identification, &tracks).await?;
            response(object, identification, &tracks)
        }
        Err((code, why)) => {
            failed = Some(why.clone());
            Response::failed(stem(&object.key), *code, why.clone()).with_song(None, 0)
        }
    };
    let json = to_json(&response.with_file(&name).with_etag(etag));
    enqueue_report(shared, &content, &json).await?;
    let report = report::write(shared, object, etag, location, json.clone()).await?;
    if let Some(error) = quarantined {
        return Err(error);
    }
    count(shared, seconds, failed.is_some());
    Ok(Checked::Reported { report, response: json, found, seconds, failed })
}

/// Decodes an object and identifies its songs. The inner error is a failure that the report contains.
async fn identification(
    shared: &Arc<FilesContext>,
    object: &ObjectName,
    facts: &ObjectFacts,
    requester: Requester,
) -> Result<Result<Identification, CheckFailure>, FilesError> {
    if let Some(why) = too_large(shared, object, facts) {
        return Ok(Err((OVER_LIMIT, why)));
    }
    let (source, on_thread) = (shared.source(object, facts), Arc::clone(shared));
    let attempt = Attempt::begin(shared, object, facts, requester).await?;
    let identification = shared.on_thread(object, move || identify(&on_thread, &source)).await;
    attempt.end().await;
    match identification {
        Ok(identification) => identification,
        Err(error @ FilesError::Internal(_)) => Ok(Err((INTERNAL, error.to_string()))),
        Err(error) => Err(error),
    }
}

/// Returns the error text if an object is larger than the limit, else `None`.
pub(super) fn too_large(shared: &FilesContext, object: &ObjectName, facts: &ObjectFacts) -> Option<String> {
    let (size, max) = (facts.size as f64 / 1e9, shared.settings.max_object_bytes as f64 / 1e9);
    (facts.size > shared.settings.max_object_bytes).then(|| {
        format!("{object} has {size:.3} GB, over the limit of {max} GB; split it, or raise largest_object_gb")
    })
}

/// Decodes and searches an object. Must run on a thread of the pool.
fn identify(
    shared: &FilesContext,
    source: &ObjectSource,
) -> Result<Result<Identification, CheckFailure>, FilesError> {
    let decoded = decode(source, Density::Query)?;
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return Ok(Err((audio_file::failure_code(&error), error.to_string()))),
    };
    let matches = shared.search(&decoded.constellation)?;
    Ok(Ok(Identification::new(&decoded, matches)))
}

/// Decodes and fingerprints an object. Must run on a thread of the pool. The outer error is a failure to read from the
/// bucket.
pub(super) fn decode(
    source: &ObjectSource,
    density: Density,
) -> Result<Result<audio_file::Fingerprinted, AudioError>, FilesError> {
    let name = source.name().to_string();
    let limits = audio_file::limits();
    let reader = open_seekable(|| Ok(source.searchable()), source.size(), &name, &limits);
    let decoded = reader.and_then(|reader| reader.fingerprint(density));
    // Decoders treat a failed read as the end of the file, so the source is asked for the error.
    source.failure().map_or(Ok(decoded), |error| Err(error.into()))
}

async fn tracks_of(
    shared: &FilesContext,
    identification: &Identification,
) -> Result<HashMap<TrackNumber, Track>, FilesError> {
    let numbers = identification.tracks();
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let tracks = shared.catalog.by_numbers(&numbers).await?;
    Ok(tracks.into_iter().map(|track| (track.number, track)).collect())
}

fn response<'a>(
    object: &'a ObjectName,
    identification: &'a Identification,
    tracks: &'a HashMap<TrackNumber, Track>,
) -> Response<'a> {
    let best = identification
        .best()
        .and_then(|best| Some((song_name(tracks.get(&best.track)?), best.matched_peaks)));
    identification
        .response(stem(&object.key), tracks)
        .with_damage(identification.damage.as_deref())
        .with_song(best.map(|(song, _)| song), best.map_or(0, |(_, score)| score))
}

/// Serializes a response. This cannot fail, because a response consists of numbers and strings.
fn to_json(response: &Response<'_>) -> String {
    serde_json::to_string(response).unwrap_or_default()
}

/// Stores a detection for each match.
async fn record(
    shared: &FilesContext,
    content: &ObjectContent<'_>,
    identification: &Identification,
    tracks: &HashMap<TrackNumber, Track>,
) -> Result<(), FilesError> {
    let now = shared.clock.now();
    for (number, found) in identification.matches.found.iter().enumerate() {
        let Some(track) = tracks.get(&found.track) else { continue };
        let stored = stored_detection(content, number, found, track, now);
        if shared.journal().record(&stored, &[], now).await? {
            shared.counters.airings.add(1);
        }
    }
    Ok(())
}

fn stored_detection(
    content: &ObjectContent<'_>,
    number: usize,
    found: &Match,
    track: &Track,
    now: i64,
) -> StoredDetection {
    let detection = Detection {
        id: content.detection(track, number),
        kind: EventKind::Final,
        detected: found.clone(),
        reference_end: found.reference_end(),
        current_speed: found.segments.last().map_or(found.speed, |last| last.speed),
        origin: 0.0,
        known_at: found.query_end,
        clock: None,
        clock_offset: None,
        missing_seconds: 0.0,
    };
    StoredDetection {
        detection,
        detected_in: DetectionSource::File(content.object.to_string()),
        track_id: track.id,
        channel: None,
        first_seen: now,
        last_seen: now,
    }
}

/// Adds the report to the outbox, for all sinks that receive the results of files.
async fn enqueue_report(
    shared: &FilesContext,
    content: &ObjectContent<'_>,
    json: &str,
) -> Result<(), FilesError> {
    let detection_event = DetectionEvent {
        from: DetectionOrigin::File,
        stream_id: stem(&content.object.key),
        channel: None,
        detection: None,
        event: "final",
        number: content.number(),
        at: shared.clock.local(),
        response: json,
        song: None,
    };
    let deliveries = shared.planner.deliveries(&detection_event);
    if !deliveries.is_empty() {
        shared.journal().enqueue(&deliveries, shared.clock.now()).await?;
        shared.planner.wake_dispatcher();
    }
    Ok(())
}

fn count(shared: &FilesContext, seconds: f64, failed: bool) {
    let counters = &shared.counters;
    let files = if failed { &counters.files_failed } else { &counters.files_checked };
    files.add(1);
    counters.file_milliseconds.add((seconds * 1000.0) as u64);
}

impl ObjectContent<'_> {
    fn hash(&self, more: &[&[u8]]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let facts = self.facts;
        let tag = facts.etag.clone().unwrap_or_else(|| format!("{} {:?}", facts.size, facts.modified_at));
        for part in [self.object.to_string().as_bytes(), tag.as_bytes()].iter().chain(more) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize()
    }

    /// Returns a number that distinguishes messages about different contents of files with the same name.
    fn number(&self) -> u64 {
        let [a, b, c, d, e, f, ..] = *self.hash(&[]).as_bytes();
        // 48 bits, because every JSON parser represents such numbers exactly.
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }

    /// Returns the id of the match that has the index `number` among the matches of this content and the track `track`.
    /// The id is the same in each process and each repetition. It is a UUID of version 7, with the time of the object
    /// instead of the current time, and a hash instead of random bits.
    fn detection(&self, track: &Track, number: usize) -> DetectionId {
        let hash = self.hash(&[track.id.0.as_bytes(), &(number as u64).to_le_bytes()]);
        let mut random = [0; 10];
        random.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        let at = self.facts.modified_at.and_then(|at| u64::try_from(at).ok()).unwrap_or_default();
        DetectionId(uuid::Builder::from_unix_timestamp_millis(at, &random).into_uuid())
    }
}

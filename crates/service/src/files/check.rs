//! Checks an object and writes its report.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::Local;
use refrain_catalog::{Detection, DetectionId, HeardIn, Track, TrackNumber};
use refrain_core::audio::AudioError;
use refrain_core::fingerprint::Density;
use refrain_core::matching::Match;
use refrain_isolation::open_searchable;

use super::attempt::{Attempt, Requester};
use super::error::FilesError;
use super::reader::ObjectSource;
use super::report;
use super::route::stem;
use super::shared::Shared;
use crate::delivery::News;
use crate::outside::{ObjectFacts, ObjectName};
use crate::settings::From;
use refrain_app::audio_file::{self, Answer, song_name};
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
        /// Duration of its audio in seconds; 0 if it has none.
        seconds: f64,
        /// Reason of the failure, if the object could not be checked.
        failed: Option<String>,
    },
    /// A report on this content exists already.
    Known {
        /// The object of the report.
        report: ObjectName,
    },
    /// The object does not exist any more.
    Vanished,
}

/// Reason why an object has no result: the code of the response, and a message.
type Failure = (u16, String);

/// An object and the facts that distinguish its contents.
pub(super) struct Content<'a> {
    object: &'a ObjectName,
    facts: &'a ObjectFacts,
}

/// Checks an object and writes its report. If the requester is a person, it does so even if a report on this content
/// exists.
///
/// If it is interrupted between two steps, repeating it repeats no step: the names of detections and messages depend only
/// on the content, and the report, which is written last, shows that all is done.
pub(super) async fn check(
    shared: &Arc<Shared>,
    object: &ObjectName,
    requester: Requester,
) -> Result<Checked, FilesError> {
    let Some(facts) = shared.facts(object).await? else { return Ok(Checked::Vanished) };
    let etag = facts.etag.as_deref();
    let place = report::place(shared, object, etag).await?;
    if place.is_current && requester == Requester::Queue {
        return Ok(Checked::Known { report: place.name });
    }
    let (answer, quarantined) = match answer(shared, object, &facts, requester).await {
        // The report contains the reason, too. Then the message moves to the dead-letter queue.
        Err(error @ FilesError::Quarantined(_)) => (Err((INTERNAL, error.to_string())), Some(error)),
        answer => (answer?, None),
    };
    let content = Content { object, facts: &facts };
    let name = object.to_string();
    let (mut found, mut seconds, mut failed) = (0, 0.0, None);
    let tracks;
    let response = match &answer {
        Ok(answer) => {
            tracks = tracks_of(shared, answer).await?;
            (found, seconds) = (answer.matches.found.len(), answer.seconds);
            record(shared, &content, answer, &tracks).await?;
            response(object, answer, &tracks)
        }
        Err((code, why)) => {
            failed = Some(why.clone());
            Response::failed(stem(&object.key), *code, why.clone()).with_song(None, 0)
        }
    };
    let json = to_json(&response.of_file(&name).of_content(etag));
    tell(shared, &content, &json).await?;
    let report = report::write(shared, object, etag, place, json.clone()).await?;
    if let Some(error) = quarantined {
        return Err(error);
    }
    count(shared, seconds, failed.is_some());
    Ok(Checked::Reported { report, response: json, found, seconds, failed })
}

/// Decodes an object and identifies its songs. The inner error is a failure that belongs into the report.
async fn answer(
    shared: &Arc<Shared>,
    object: &ObjectName,
    facts: &ObjectFacts,
    requester: Requester,
) -> Result<Result<Answer, Failure>, FilesError> {
    if let Some(why) = too_large(shared, object, facts) {
        return Ok(Err((OVER_LIMIT, why)));
    }
    let (source, on_thread) = (shared.source(object, facts), Arc::clone(shared));
    let attempt = Attempt::begin(shared, object, facts, requester).await?;
    let answer = shared.on_thread(object, move || identify(&on_thread, &source)).await;
    attempt.end().await;
    match answer {
        Ok(answer) => answer,
        Err(error @ FilesError::Internal(_)) => Ok(Err((INTERNAL, error.to_string()))),
        Err(error) => Err(error),
    }
}

/// Returns the reason if an object is too large.
pub(super) fn too_large(shared: &Shared, object: &ObjectName, facts: &ObjectFacts) -> Option<String> {
    let (size, most) = (facts.size as f64 / 1e9, shared.settings.largest_object as f64 / 1e9);
    (facts.size > shared.settings.largest_object).then(|| {
        format!(
            "{object} has {size:.3} GB, over the limit of {most} GB; split it, or raise largest_object_gb"
        )
    })
}

/// Decodes and searches an object. Must run on a thread of the pool.
fn identify(shared: &Shared, source: &ObjectSource) -> Result<Result<Answer, Failure>, FilesError> {
    let decoded = decode(source, Density::Query)?;
    let sound = match decoded {
        Ok(sound) => sound,
        Err(error) => return Ok(Err((audio_file::failure_code(&error), error.to_string()))),
    };
    let matches = shared.search(&sound.constellation)?;
    Ok(Ok(Answer::new(&sound, matches)))
}

/// Decodes and fingerprints an object. Must run on a thread of the pool. The outer error is a failure to read from the
/// bucket.
pub(super) fn decode(
    source: &ObjectSource,
    density: Density,
) -> Result<Result<audio_file::Sound, AudioError>, FilesError> {
    let name = source.name().to_string();
    let limits = audio_file::limits();
    let reader = open_searchable(|| Ok(source.searchable()), source.size(), &name, &limits);
    let decoded = reader.and_then(|reader| reader.fingerprint(density));
    // Decoders interpret a failed read as the end of the file.
    source.failure().map_or(Ok(decoded), |error| Err(error.into()))
}

async fn tracks_of(shared: &Shared, answer: &Answer) -> Result<HashMap<TrackNumber, Track>, FilesError> {
    let numbers = answer.tracks();
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let tracks = shared.catalog.by_numbers(&numbers).await?;
    Ok(tracks.into_iter().map(|track| (track.number, track)).collect())
}

fn response<'a>(
    object: &'a ObjectName,
    answer: &'a Answer,
    tracks: &'a HashMap<TrackNumber, Track>,
) -> Response<'a> {
    let best = answer.best().and_then(|best| Some((song_name(tracks.get(&best.track)?), best.matched_peaks)));
    answer
        .response(stem(&object.key), tracks)
        .damaged(answer.damage.as_deref())
        .with_song(best.map(|(song, _)| song), best.map_or(0, |(_, score)| score))
}

/// Serializes a response. This cannot fail, because a response consists of numbers and strings.
fn to_json(response: &Response<'_>) -> String {
    serde_json::to_string(response).unwrap_or_default()
}

/// Stores the detections.
async fn record(
    shared: &Shared,
    content: &Content<'_>,
    answer: &Answer,
    tracks: &HashMap<TrackNumber, Track>,
) -> Result<(), FilesError> {
    let now = Local::now().timestamp_millis();
    for (number, found) in answer.matches.found.iter().enumerate() {
        let Some(track) = tracks.get(&found.track) else { continue };
        let detection = detection(content, number, found, track, now);
        if shared.journal().record(&detection, &[], now).await? {
            shared.measures.airings.add(1);
        }
    }
    Ok(())
}

fn detection(content: &Content<'_>, number: usize, found: &Match, track: &Track, now: i64) -> Detection {
    let milliseconds = |seconds: f64| (seconds * 1000.0).round() as i64;
    let end = found.query_end.max(found.query_start);
    Detection {
        id: content.detection(track, number),
        heard_in: HeardIn::File(content.object.to_string()),
        track: found.track,
        track_id: track.id,
        query_start: found.query_start,
        query_end: end,
        start_at: milliseconds(found.query_start),
        end_at: milliseconds(end),
        reference_start: found.reference_start,
        speed: found.speed,
        pitch_cents: found.pitch_cents,
        false_positive_probability: found.false_positive_probability,
        matched_peaks: found.matched_peaks,
        expected_peaks: found.expected_peaks,
        first_seen: now,
        last_seen: now,
        is_final: true,
        channel: None,
    }
}

/// Adds the report to the outbox, for all sinks that receive the results of files.
async fn tell(shared: &Shared, content: &Content<'_>, json: &str) -> Result<(), FilesError> {
    let news = News {
        from: From::File,
        stream_id: stem(&content.object.key),
        channel: None,
        detection: None,
        event: "final",
        number: content.number(),
        at: Local::now(),
        response: json,
        song: None,
    };
    let deliveries = shared.planner.deliveries(&news);
    if !deliveries.is_empty() {
        shared.journal().enqueue(&deliveries, Local::now().timestamp_millis()).await?;
        shared.planner.recorded();
    }
    Ok(())
}

fn count(shared: &Shared, seconds: f64, failed: bool) {
    let measures = &shared.measures;
    let files = if failed { &measures.files_failed } else { &measures.files_checked };
    files.add(1);
    measures.file_milliseconds.add((seconds * 1000.0) as u64);
}

impl Content<'_> {
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

    /// Returns the id of a match, which is the same in each process and each repetition: a UUID of version 7, with the time
    /// of the object instead of the current time, and a hash instead of random bits.
    fn detection(&self, track: &Track, number: usize) -> DetectionId {
        let hash = self.hash(&[track.id.0.as_bytes(), &(number as u64).to_le_bytes()]);
        let mut random = [0; 10];
        random.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        let at = self.facts.modified_at.and_then(|at| u64::try_from(at).ok()).unwrap_or_default();
        DetectionId(uuid::Builder::from_unix_timestamp_millis(at, &random).into_uuid())
    }
}

//! An object to its report.

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
use crate::response::{INTERNAL, OVER_LIMIT, Response};
use crate::settings::From;
use crate::sound::{self, Answer, song_name};

/// What became of an object that was to be checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Checked {
    /// A report was written.
    Reported {
        /// Where.
        report: ObjectName,
        /// What it says, JSON.
        response: String,
        /// Songs that were found.
        found: usize,
        /// Length of its sound, seconds; 0 if it has none.
        seconds: f64,
        /// Why it could not be checked, if the report says that.
        failed: Option<String>,
    },
    /// There is a report on this very content.
    Known {
        /// Where.
        report: ObjectName,
    },
    /// It is not there any more.
    Vanished,
}

/// Why there is no answer: the code of the response, and the reason.
type Failure = (u16, String);

/// What tells one content of an object from another.
pub(super) struct Content<'a> {
    object: &'a ObjectName,
    facts: &'a ObjectFacts,
}

/// Checks an object and writes its report; for a person also if there is one on this content.
///
/// Whatever ends this between its steps, doing it again does no step twice: detections and messages are named by the
/// content that they tell of, and the report, which is written last, says that all is done.
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
        // The report says so too; then the message goes to the dead letters.
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

/// What is in an object.
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

/// Why an object is too large, if it is.
pub(super) fn too_large(shared: &Shared, object: &ObjectName, facts: &ObjectFacts) -> Option<String> {
    let (size, most) = (facts.size as f64 / 1e9, shared.settings.largest_object as f64 / 1e9);
    (facts.size > shared.settings.largest_object).then(|| {
        format!(
            "{object} has {size:.3} GB, over the limit of {most} GB; split it, or raise largest_object_gb"
        )
    })
}

/// Decodes and searches, on a thread for files.
fn identify(shared: &Shared, source: &ObjectSource) -> Result<Result<Answer, Failure>, FilesError> {
    let decoded = decode(source, Density::Query)?;
    let sound = match decoded {
        Ok(sound) => sound,
        Err(error) => return Ok(Err((sound::failure_code(&error), error.to_string()))),
    };
    let matches = shared.search(&sound.constellation)?;
    Ok(Ok(Answer::new(&sound, matches)))
}

/// Decodes and fingerprints an object, on a thread for files. What could not be read of the bucket is the outer error.
pub(super) fn decode(
    source: &ObjectSource,
    density: Density,
) -> Result<Result<sound::Sound, AudioError>, FilesError> {
    let name = source.name().to_string();
    let limits = sound::limits();
    let reader = open_searchable(|| Ok(source.searchable()), source.size(), &name, &limits);
    let decoded = reader.and_then(|reader| reader.fingerprint(density));
    // Decoders take bytes that do not come for the end of the file.
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

/// A response is made of numbers and texts, which are always JSON.
fn to_json(response: &Response<'_>) -> String {
    serde_json::to_string(response).unwrap_or_default()
}

/// Writes down what was found.
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

/// Puts the report into the outbox for everybody who wants files.
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

    /// Tells the messages on contents of files of one name apart.
    fn number(&self) -> u64 {
        let [a, b, c, d, e, f, ..] = *self.hash(&[]).as_bytes();
        // 48 bits: numbers that any reader of JSON can hold.
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }

    /// The identity of a match, the same whoever finds it how often: of version 7, with the time of the object in place of
    /// now, and a hash in place of chance.
    fn detection(&self, track: &Track, number: usize) -> DetectionId {
        let hash = self.hash(&[track.id.0.as_bytes(), &(number as u64).to_le_bytes()]);
        let mut random = [0; 10];
        random.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        let at = self.facts.modified_at.and_then(|at| u64::try_from(at).ok()).unwrap_or_default();
        DetectionId(uuid::Builder::from_unix_timestamp_millis(at, &random).into_uuid())
    }
}

//! Where the report of a file is, and whether it is there already.

use bytes::Bytes;
use serde::Deserialize;

use super::error::FilesError;
use super::route::{FAILURE_REPORT, stem, without_extension};
use super::shared::Shared;
use crate::outside::{ObjectName, OutsideError, OutsideErrorKind, Put};
use crate::response::{INTERNAL, Response, UNREADABLE};

/// A report is no longer than this, bytes; what is longer is somebody else's.
const LONGEST: u64 = 16 << 20;

/// What a report is.
const CONTENT_TYPE: &str = "application/json";

/// How often a place is looked for that others take meanwhile.
const TRIES: usize = 5;

/// What shows whose report it is.
#[derive(Deserialize)]
struct Known {
    #[serde(rename = "statusCode")]
    code: u16,
    file: String,
    etag: Option<String>,
}

/// The place of a report.
#[derive(Debug)]
pub(super) struct Place {
    /// Its object.
    pub(super) name: ObjectName,
    /// Whether it tells of this content already.
    pub(super) is_current: bool,
    put: Put,
}

/// Finds the place of the report on the content of an object that is named by `etag`: beside it, named by its stem. Where
/// that is the report on another file, or nobody's report at all, by its whole name: nothing of others is overwritten.
pub(super) async fn place(
    shared: &Shared,
    object: &ObjectName,
    etag: Option<&str>,
) -> Result<Place, FilesError> {
    let keys = [format!("{}.json", without_extension(&object.key)), format!("{}.json", object.key)];
    for key in &keys {
        let name = ObjectName { bucket: object.bucket.clone(), key: key.clone() };
        match look(shared, &name).await? {
            Found::Nothing => return Ok(Place { name, is_current: false, put: Put::New }),
            Found::Report(known) if known.file == object.to_string() => {
                let is_current = etag.is_some() && known.etag.as_deref() == etag && known.code != INTERNAL;
                return Ok(Place { name, is_current, put: Put::Replace });
            }
            Found::Report(_) | Found::Other => {}
        }
    }
    let [taken, also_taken] = keys;
    Err(FilesError::NoPlace { object: object.clone(), taken, also_taken })
}

/// Writes the report that an object was not indexed, beside it; returns its place. Files of others are not overwritten.
pub(super) async fn write_failure(
    shared: &Shared,
    object: &ObjectName,
    etag: Option<&str>,
    why: &str,
) -> Result<ObjectName, FilesError> {
    let key = format!("{}{FAILURE_REPORT}", object.key);
    let name = ObjectName { bucket: object.bucket.clone(), key };
    if matches!(look(shared, &name).await?, Found::Other) {
        let taken = name.key.clone();
        return Err(FilesError::NoPlace { object: object.clone(), also_taken: taken.clone(), taken });
    }
    let file = object.to_string();
    let response =
        Response::failed(stem(&object.key), UNREADABLE, why.to_owned()).of_file(&file).of_content(etag);
    // It is made of numbers and texts, which are always JSON.
    let body = serde_json::to_string(&response).unwrap_or_default();
    shared.objects.write(&name, Bytes::from(body), CONTENT_TYPE, Put::Replace).await?;
    Ok(name)
}

/// Writes the report; gives its place.
pub(super) async fn write(
    shared: &Shared,
    object: &ObjectName,
    etag: Option<&str>,
    mut place: Place,
    report: String,
) -> Result<ObjectName, FilesError> {
    let body = Bytes::from(report);
    for _ in 0..TRIES {
        match shared.objects.write(&place.name, body.clone(), CONTENT_TYPE, place.put).await {
            Ok(()) => return Ok(place.name),
            // Another file with this stem, or another process, was faster.
            Err(error) if error.kind() == OutsideErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
        place = self::place(shared, object, etag).await?;
        if place.is_current {
            return Ok(place.name);
        }
    }
    let what = format!("cannot write {}", place.name);
    Err(OutsideError::new(OutsideErrorKind::Unavailable, what, "others write there all the time").into())
}

enum Found {
    Nothing,
    Report(Known),
    Other,
}

async fn look(shared: &Shared, name: &ObjectName) -> Result<Found, OutsideError> {
    let Some(facts) = shared.facts(name).await? else { return Ok(Found::Nothing) };
    if facts.size == 0 || facts.size > LONGEST {
        return Ok(Found::Other);
    }
    match shared.objects.read(name, 0..facts.size, None).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).map_or(Found::Other, Found::Report)),
        Err(error) if error.kind() == OutsideErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error),
    }
}

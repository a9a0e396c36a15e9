//! Reports on files: their location, whether they exist already, and writing them.

use bytes::Bytes;
use serde::Deserialize;

use super::error::FilesError;
use super::route::{FAILURE_REPORT, stem, without_extension};
use super::shared::Shared;
use crate::outside::{ObjectName, OutsideError, OutsideErrorKind, Put};
use refrain_app::response::{INTERNAL, Response, UNREADABLE};

/// Maximum size of a report in bytes. A larger file is not a report.
const LONGEST: u64 = 16 << 20;

/// Media type of reports.
const CONTENT_TYPE: &str = "application/json";

/// Maximum number of attempts to write a report if others write to its location at the same time.
const TRIES: usize = 5;

/// The fields of a report that identify the file and the content that it is about.
#[derive(Deserialize)]
struct Known {
    #[serde(rename = "statusCode")]
    code: u16,
    file: String,
    etag: Option<String>,
}

/// The location of a report.
#[derive(Debug)]
pub(super) struct Place {
    /// The object of the report.
    pub(super) name: ObjectName,
    /// True if the object is a report on the current content already.
    pub(super) is_current: bool,
    put: Put,
}

/// Finds the location of the report on the content of `object` with this ETag. The report is next to the object, named
/// after its stem. If that key belongs to the report on another file, or to a file that is not a report, the report is
/// named after the full name of the object. So no other file is overwritten.
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

/// Writes the report that an object was not indexed, next to the object. Returns the name of the report. A file that is not
/// a report is not overwritten.
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
    // Numbers and strings can always be serialized.
    let body = serde_json::to_string(&response).unwrap_or_default();
    shared.objects.write(&name, Bytes::from(body), CONTENT_TYPE, Put::Replace).await?;
    Ok(name)
}

/// Writes the report. Returns its name.
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
            // The report on another file with this stem, or another process, has taken the key.
            Err(error) if error.kind() == OutsideErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
        place = self::place(shared, object, etag).await?;
        if place.is_current {
            return Ok(place.name);
        }
    }
    let what = format!("cannot write {}", place.name);
    Err(OutsideError::new(OutsideErrorKind::Unavailable, what, "other processes keep writing to it").into())
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

//! Reports on files: their location, whether they exist already, and writing them.

use bytes::Bytes;
use serde::Deserialize;

use super::error::FilesError;
use super::object_key::{stem, without_extension};
use super::route::FAILURE_REPORT;
use super::shared::FilesContext;
use crate::cloud::{CloudError, CloudErrorKind, ObjectName, Put};
use refrain_app::response::{INTERNAL, Response, UNREADABLE};

/// Maximum size of a report in bytes. A larger file is not a report and is not read. A report has some kilobytes per
/// match, so 16 MiB are thousands of matches. At half this value, only reports of recordings of days are affected; at
/// twice this value, a foreign file of 32 MiB is read into memory.
const MAX_REPORT_BYTES: u64 = 16 << 20;

/// Media type of reports.
const CONTENT_TYPE: &str = "application/json";

/// Maximum number of attempts to write a report while other processes write to the same key. Each attempt determines
/// the key again. Two writers need two attempts; if five are not enough, the message is retried later.
const MAX_ATTEMPTS: usize = 5;

/// The fields of a report that identify the file and the content that it is about.
#[derive(Deserialize)]
struct ReportHeader {
    #[serde(rename = "statusCode")]
    code: u16,
    file: String,
    etag: Option<String>,
}

/// The location of a report.
#[derive(Debug)]
pub(super) struct ReportLocation {
    /// The object of the report.
    pub(super) name: ObjectName,
    /// True if the object exists and is a report on the current content.
    pub(super) is_current: bool,
    /// Behavior of the write if the object exists.
    put: Put,
}

/// Finds the location of the report on the content of `object` with this ETag. The report is next to the object, named
/// after its stem. If that key belongs to the report on another file, or to a file that is not a report, the report is
/// named after the full name of the object. So no other file is overwritten. Without an ETag, an existing report never
/// counts as current.
pub(super) async fn location(
    shared: &FilesContext,
    object: &ObjectName,
    etag: Option<&str>,
) -> Result<ReportLocation, FilesError> {
    let keys = [format!("{}.json", without_extension(&object.key)), format!("{}.json", object.key)];
    for key in &keys {
        let name = ObjectName { bucket: object.bucket.clone(), key: key.clone() };
        match read_report(shared, &name).await? {
            ExistingReport::Nothing => return Ok(ReportLocation { name, is_current: false, put: Put::New }),
            ExistingReport::Report(known) if known.file == object.to_string() => {
                // A report of an internal error is not final: the same content is checked again.
                let is_current = etag.is_some() && known.etag.as_deref() == etag && known.code != INTERNAL;
                return Ok(ReportLocation { name, is_current, put: Put::Replace });
            }
            ExistingReport::Report(_) | ExistingReport::Other => {}
        }
    }
    let [taken, also_taken] = keys;
    Err(FilesError::NoReportLocation { object: object.clone(), taken, also_taken })
}

/// Writes the report that an object was not indexed, next to the object. Returns the name of the report. A file that is
/// not a report is not overwritten.
pub(super) async fn write_failure(
    shared: &FilesContext,
    object: &ObjectName,
    etag: Option<&str>,
    why: &str,
) -> Result<ObjectName, FilesError> {
    let key = format!("{}{FAILURE_REPORT}", object.key);
    let name = ObjectName { bucket: object.bucket.clone(), key };
    if matches!(read_report(shared, &name).await?, ExistingReport::Other) {
        let taken = name.key.clone();
        return Err(FilesError::NoReportLocation {
            object: object.clone(),
            also_taken: taken.clone(),
            taken,
        });
    }
    let file = object.to_string();
    let response =
        Response::failed(stem(&object.key), UNREADABLE, why.to_owned()).with_file(&file).with_etag(etag);
    // Numbers and strings can always be serialized.
    let body = serde_json::to_string(&response).unwrap_or_default();
    shared.objects.write(&name, Bytes::from(body), CONTENT_TYPE, Put::Replace).await?;
    Ok(name)
}

/// Writes a report to its location, and finds the location again if another process has used it. Returns the name of
/// the report.
pub(super) async fn write(
    shared: &FilesContext,
    object: &ObjectName,
    etag: Option<&str>,
    mut location: ReportLocation,
    report: String,
) -> Result<ObjectName, FilesError> {
    let body = Bytes::from(report);
    for _ in 0..MAX_ATTEMPTS {
        match shared.objects.write(&location.name, body.clone(), CONTENT_TYPE, location.put).await {
            Ok(()) => return Ok(location.name),
            // Another report was written to this key first: of another file with this stem, or by another process.
            Err(error) if error.kind() == CloudErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
        // After a conflict, the location is determined again: the other writer may have written the report on the same
        // content.
        location = self::location(shared, object, etag).await?;
        if location.is_current {
            return Ok(location.name);
        }
    }
    let what = format!("cannot write {}", location.name);
    Err(CloudError::new(CloudErrorKind::Unavailable, what, "other processes keep writing to it").into())
}

enum ExistingReport {
    Nothing,
    Report(ReportHeader),
    Other,
}

async fn read_report(shared: &FilesContext, name: &ObjectName) -> Result<ExistingReport, CloudError> {
    let Some(facts) = shared.facts(name).await? else { return Ok(ExistingReport::Nothing) };
    if facts.size == 0 || facts.size > MAX_REPORT_BYTES {
        return Ok(ExistingReport::Other);
    }
    match shared.objects.read(name, 0..facts.size, None).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).map_or(ExistingReport::Other, ExistingReport::Report)),
        Err(error) if error.kind() == CloudErrorKind::NotFound => Ok(ExistingReport::Nothing),
        Err(error) => Err(error),
    }
}

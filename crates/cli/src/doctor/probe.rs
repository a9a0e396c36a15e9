//! Tests whether the service may use its S3 buckets and SNS topics, with test objects that `doctor` writes and then
//! deletes.

use std::time::Duration;

use refrain_service::cloud::{CloudError, CloudErrorKind, ObjectName, Objects, Put, Topics};
use refrain_service::settings::{FilesSettings, Roles};
use uuid::Uuid;

use super::check::Check;

/// Timeout of one test. A call to AWS normally takes less than a second; the rest is for connecting over a slow network
/// and for the retries of the SDK. With half of it, slow retries would look like an outage. With twice the time, each
/// resource that is not reachable delays the report by 15 s more, because the tests run one after the other.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(15);

/// Content of a test object.
const PROBE_BODY: &[u8] = b"{\"refrain\": \"doctor\"}\n";

/// Waits for the result of a call, at most for [`PROBE_TIMEOUT`].
///
/// # Errors
/// Returns the error of the call as text, or a text about the timeout.
pub(super) async fn call_result<T>(call: impl Future<Output = Result<T, CloudError>>) -> Result<T, String> {
    match tokio::time::timeout(PROBE_TIMEOUT, call).await {
        Ok(call_result) => call_result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no response within {} s", PROBE_TIMEOUT.as_secs())),
    }
}

/// Checks the S3 bucket of the sink `sink`. Writes a test object in the same way as the sink, then writes it again,
/// which must fail. After that, reads and deletes the object. `template` is the sink's key template; its leading
/// folders contain the test object.
pub(super) async fn sink_bucket(objects: &dyn Objects, sink: &str, bucket: &str, template: &str) -> Check {
    // Placeholders of the template have no values in a test. The folder is the text before the first placeholder, up to
    // its last `/`.
    let literal = template.split('{').next().unwrap_or_default();
    let folder = literal.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let key = format!("{folder}refrain-doctor-{}.probe", Uuid::now_v7());
    let object = ObjectName { bucket: bucket.to_owned(), key };
    let outcome = async {
        objects.write(&object, PROBE_BODY.into(), "application/json", Put::New).await?;
        // Sinks never replace an object, because they write with If-None-Match. Some S3-compatible stores ignore this
        // header.
        match objects.write(&object, PROBE_BODY.into(), "application/json", Put::New).await {
            Err(error) if error.kind() == CloudErrorKind::Conflict => {}
            Err(error) => return Err(error),
            Ok(()) => {
                return Err(probe_error(&object, "the store ignores If-None-Match and replaced the object"));
            }
        }
        read_back(objects, &object).await
    };
    let name = format!("{sink}: bucket {bucket}");
    finish_check(objects, "sink", &name, &object, call_result(outcome).await, SINK_ADVICE).await
}

/// Advice if the check of a sink's bucket fails, with the required permissions.
const SINK_ADVICE: &str = "check its name and region; allow s3:PutObject and s3:GetObject on its objects and s3:ListBucket on the bucket";

/// Checks the source bucket, which contains songs to index and files to identify. Lists the bucket and tests reading
/// below the prefixes of the process's roles. With the role `check`, also writes, reads and deletes a test object where
/// reports are written. Returns `None` if no source bucket is set, or if the process has neither the role `check` nor
/// the role `index`.
pub(super) async fn source_bucket(
    objects: &dyn Objects,
    files: &FilesSettings,
    roles: Roles,
) -> Option<Check> {
    const ADVICE: &str = "check its name and region; allow s3:ListBucket on the bucket, s3:GetObject and s3:GetObjectTagging on its \
                          objects, and s3:PutObject on *.json for reports";
    let bucket = files.source.as_deref().filter(|_| roles.check || roles.index)?;
    let id = Uuid::now_v7();
    let named = |prefix: &str, end: &str| ObjectName {
        bucket: bucket.to_owned(),
        key: format!("{prefix}refrain-doctor-{id}.{end}"),
    };
    // Only the prefixes of the roles of this process are tested, because it needs no permission for other prefixes.
    let prefixes = [(roles.check, &files.check_prefix), (roles.index, &files.index_prefix)];
    let readable = async {
        objects.check_bucket(bucket).await?;
        for (_, prefix) in prefixes.iter().filter(|(wanted, _)| *wanted) {
            // Requesting an object that does not exist needs the same permissions as reading one.
            let missing = named(prefix, "missing");
            not_found(&missing, objects.facts(&missing).await)?;
            not_found(&missing, objects.tags(&missing).await)?;
        }
        Ok(())
    };
    let readable = call_result(readable).await;
    // Only the role check writes reports, so processes without it need no permission to write.
    if readable.is_err() || !roles.check {
        let shown = format!("{bucket} is listable and readable");
        return Some(match readable {
            Ok(()) => Check::fine("bucket", shown),
            Err(why) => Check::failing("bucket", format!("{bucket}: {why}"), ADVICE),
        });
    }
    // The name of the test object ends in .json, like a report, so that the service ignores the event about it.
    let report = named(&files.check_prefix, "json");
    let outcome = async {
        objects.write(&report, PROBE_BODY.into(), "application/json", Put::New).await?;
        read_back(objects, &report).await?;
        objects.tags(&report).await.map(drop)
    };
    Some(finish_check(objects, "bucket", bucket, &report, call_result(outcome).await, ADVICE).await)
}

/// Checks that a topic exists and is accessible, without publishing a message.
pub(super) async fn topic(topics: &dyn Topics, topic: &str) -> Check {
    match call_result(topics.check_topic(topic)).await {
        Ok(()) => Check::fine("topic", topic),
        Err(why) => {
            let advice = "check its ARN; allow sns:Publish and sns:GetTopicAttributes";
            Check::failing("topic", format!("{topic}: {why}"), advice)
        }
    }
}

/// Deletes the test object and returns the result of the check. The object is deleted even if the test failed, because
/// it can have been written before the failure.
async fn finish_check(
    objects: &dyn Objects,
    check: &'static str,
    name: &str,
    object: &ObjectName,
    outcome: Result<(), String>,
    advice: &str,
) -> Check {
    let deleted = call_result(objects.delete(object)).await;
    match (outcome, deleted) {
        (Err(why), _) => Check::failing(check, format!("{name}: {why}"), advice),
        (Ok(()), Ok(())) => Check::fine(check, format!("{name}: wrote, read and deleted a test object")),
        (Ok(()), Err(why)) => Check::warning(
            check,
            format!("{name}: wrote and read a test object: {why}"),
            &format!("delete {object}; to have it deleted, allow s3:DeleteObject on *refrain-doctor-*"),
        ),
    }
}

async fn read_back(objects: &dyn Objects, object: &ObjectName) -> Result<(), CloudError> {
    let facts = objects.facts(object).await?;
    let bytes = objects.read(object, 0..PROBE_BODY.len() as u64, facts.etag.as_deref()).await?;
    if facts.size == PROBE_BODY.len() as u64 && bytes == PROBE_BODY {
        return Ok(());
    }
    Err(probe_error(object, "the store returns other bytes than were written"))
}

/// Returns success if the call failed because the object does not exist. S3 returns this error only to users who may
/// list the bucket and read its objects.
fn not_found<T>(object: &ObjectName, call_result: Result<T, CloudError>) -> Result<(), CloudError> {
    match call_result {
        Err(error) if error.kind() != CloudErrorKind::NotFound => Err(error),
        Err(_) => Ok(()),
        Ok(_) => Err(probe_error(object, "the store has an object of this random name")),
    }
}

fn probe_error(object: &ObjectName, why: &str) -> CloudError {
    CloudError::new(CloudErrorKind::Invalid, format!("test object {object}"), why)
}

//! Events of S3 about objects: from EventBridge or as notifications of S3, directly or through SNS.

use serde::Deserialize;
use serde_json::Value;

use crate::cloud::ObjectName;

/// Maximum nesting depth of messages, for example an EventBridge event in an SNS message in another SNS message. Known
/// setups have two levels. The limit bounds the recursion for messages of untrusted senders. At half this value, only
/// the known setups work; at twice this value, nothing changes for them.
const MAX_NESTING: usize = 4;

/// An event about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectEvent {
    /// The object, with its key decoded.
    pub(super) object: ObjectName,
    /// True if the object was created or replaced. Events with false are ignored.
    pub(super) created: bool,
}

/// An event of EventBridge.
#[derive(Deserialize)]
struct BridgedEvent {
    source: Option<String>,
    #[serde(rename = "detail-type")]
    kind: String,
    detail: Value,
}

#[derive(Deserialize)]
struct S3Detail {
    bucket: Bucket,
    object: Object,
}

/// A record of an S3 notification.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventName")]
    name: String,
    s3: S3Detail,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

/// Returns the events of a message; a test message has none.
///
/// Sequencers, sizes and entity tags in events are ignored: the state of an object is requested from the bucket when
/// the object is processed. So a late event, or one that is older than a handled one, also leads to the newest content.
///
/// # Errors
/// The reason why the message is invalid.
pub(super) fn parse(body: &str) -> Result<Vec<ObjectEvent>, String> {
    let value = serde_json::from_str(body).map_err(|error| format!("invalid JSON: {error}"))?;
    nested(value, 0)
}

fn nested(value: Value, depth: usize) -> Result<Vec<ObjectEvent>, String> {
    // The recursion has to be bounded, because untrusted senders may be allowed to write to the queue.
    if depth > MAX_NESTING {
        return Err("messages are nested too deeply".to_owned());
    }
    if let Some(Value::String(message)) = value.get("Message") {
        let inner =
            serde_json::from_str(message).map_err(|error| format!("invalid JSON in Message: {error}"))?;
        return nested(inner, depth + 1);
    }
    if let Some(Value::Array(records)) = value.get("Records") {
        // One invalid record makes the whole message invalid: the object that the record is about is unknown.
        return records.iter().map(record).collect();
    }
    if value.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    if value.get("detail-type").is_some() {
        return bridged(value).map(|event| vec![event]);
    }
    Err("the message is neither an EventBridge event nor an S3 notification".to_owned())
}

fn bridged(value: Value) -> Result<ObjectEvent, String> {
    let event: BridgedEvent =
        serde_json::from_value(value).map_err(|error| format!("invalid event: {error}"))?;
    if event.source.as_deref().is_some_and(|source| source != "aws.s3") {
        return Err(format!("the event is of {}, not of S3", event.source.unwrap_or_default()));
    }
    let detail: S3Detail =
        serde_json::from_value(event.detail).map_err(|error| format!("invalid object: {error}"))?;
    let object = named(detail.bucket.name, detail.object.key)?;
    Ok(ObjectEvent { object, created: event.kind == "Object Created" })
}

fn record(value: &Value) -> Result<ObjectEvent, String> {
    let record = Record::deserialize(value).map_err(|error| format!("invalid S3 record: {error}"))?;
    let key = decoded(&record.s3.object.key)?;
    let created = record.name.trim_start_matches("s3:").starts_with("ObjectCreated");
    Ok(ObjectEvent { object: named(record.s3.bucket.name, key)?, created })
}

fn named(bucket: String, key: String) -> Result<ObjectName, String> {
    if bucket.is_empty() || key.is_empty() {
        return Err("the name of the bucket or the key is empty".to_owned());
    }
    Ok(ObjectName { bucket, key })
}

/// Decodes a form-encoded key: `+` is a space, `%2B` is `+`.
fn decoded(key: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let code = digit(rest.next()).zip(digit(rest.next())).map(|(high, low)| high << 4 | low);
                code.and_then(|code| u8::try_from(code).ok())
                    .ok_or_else(|| format!("the key {key:?} has an invalid percent-encoding"))?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| format!("the key {key:?} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn keys(body: &Value) -> Vec<String> {
        parse(&body.to_string()).unwrap().into_iter().map(|event| event.object.key).collect()
    }

    fn created(key: &str) -> Value {
        json!({"version": "0", "detail-type": "Object Created", "source": "aws.s3", "account": "1", "detail": {
            "bucket": {"name": "b"}, "object": {"key": key, "size": 1, "etag": "e", "sequencer": "0055"},
            "reason": "PutObject"}})
    }

    fn record(name: &str, key: &str) -> Value {
        json!({"eventName": name, "s3": {"bucket": {"name": "b"}, "object": {"key": key, "size": 1}}})
    }

    #[test]
    fn all_event_formats_yield_the_decoded_key() {
        let odd = "songs/é +%2B 1.mp3";
        assert_eq!(keys(&created(odd)), [odd]);
        let records = json!({"Records": [record("ObjectCreated:Put", "songs%2F%C3%A9+%2B%252B+1.mp3"),
            record("s3:ObjectCreated:CompleteMultipartUpload", "a/b.mp3")]});
        assert_eq!(keys(&records), [odd, "a/b.mp3"]);
        for inner in
            [created(odd), json!({"Records": [record("ObjectCreated:Copy", "songs/%c3%a9+%2b%252B+1.mp3")]})]
        {
            let through_topic =
                json!({"Type": "Notification", "TopicArn": "t", "Message": inner.to_string()});
            assert_eq!(keys(&through_topic), [odd]);
        }
    }

    #[test]
    fn test_messages_and_deletions_create_no_object() {
        assert_eq!(keys(&json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"})), [""; 0]);
        let removed = json!({"Records": [record("ObjectRemoved:Delete", "a")]});
        assert!(!parse(&removed.to_string()).unwrap()[0].created);
        let deleted = created("a").to_string().replace("Object Created", "Object Deleted");
        assert!(!parse(&deleted).unwrap()[0].created);
    }

    #[test]
    fn other_messages_are_rejected() {
        for body in [
            "",
            "x",
            "{}",
            "[]",
            "null",
            r#"{"Message":"x"}"#,
            r#"{"Records":[{}]}"#,
            r#"{"detail-type":"Object Created"}"#,
            r#"{"detail-type":"Object Created","detail":{}}"#,
            r#"{"detail-type":"Stream","source":"aws.ivs","detail":{}}"#,
        ] {
            parse(body).unwrap_err();
        }
        for key in ["%", "%2", "%zz", "%FF", ""] {
            parse(&json!({"Records": [record("ObjectCreated:Put", key)]}).to_string()).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn encoded_keys_are_decoded(key in "\\PC{1,40}") {
            let encoded: String = key.bytes().map(|byte| match byte {
                b' ' => "+".to_owned(),
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            }).collect();
            prop_assert_eq!(decoded(&encoded), Ok(key));
        }

        #[test]
        fn parse_does_not_panic(body in "\\PC*") {
            let _ = parse(&body);
        }
    }
}

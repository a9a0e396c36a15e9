//! Tests of the parser of platform events.

use proptest::prelude::*;
use refrain_service::streams::{EventError, MediaLiveChange, PlatformEvent, StreamChange};
use serde_json::{Value, json};

pub(crate) const ARN: &str = "arn:aws:ivs:us-east-1:123456789012:channel/abcdABCDefgh";
pub(crate) const MEDIALIVE: &str = "arn:aws:medialive:eu-west-1:123456789012:channel:1234567";

/// 2017-06-12T10:23:43Z in milliseconds.
pub(crate) const AT: i64 = 1_497_263_023_000;

pub(crate) fn ivs(name: &str, stream: &str, time: &str) -> Value {
    json!({"version": "0", "id": "01234567-0123-0123-0123-012345678901", "detail-type": "IVS Stream State Change",
        "source": "aws.ivs", "account": "123456789012", "time": time, "region": "us-east-1", "resources": [ARN],
        "detail": {"event_name": name, "channel_name": "", "stream_id": stream}})
}

pub(crate) fn start(stream: &str) -> String {
    ivs("Stream Start", stream, "2017-06-12T10:23:43Z").to_string()
}

pub(crate) fn end(stream: &str) -> String {
    ivs("Stream End", stream, "2017-06-12T11:00:00Z").to_string()
}

pub(crate) fn medialive(state: &str, running: u64, time: &str) -> String {
    json!({"detail-type": "MediaLive Channel State Change", "source": "aws.medialive", "time": time,
        "resources": [MEDIALIVE], "detail": {"channel_arn": MEDIALIVE, "state": state,
        "pipelines_running_count": running, "message": "x", "pipeline": "0"}})
    .to_string()
}

#[test]
fn events_are_parsed_in_the_format_of_the_platform() {
    let ivs_of = |body: &str| match PlatformEvent::parse(body).unwrap() {
        PlatformEvent::Ivs { channel, change, stream_id, at } => {
            assert_eq!(channel, ARN);
            (change, stream_id, at)
        }
        other => panic!("{other:?}"),
    };
    let known = (StreamChange::Start, Some("st-1".to_owned()), Some(AT));
    assert_eq!(ivs_of(&start("st-1")), known);
    let wrapped = json!({"Type": "Notification", "MessageId": "x", "Message": start("st-1")});
    assert_eq!(ivs_of(&wrapped.to_string()), known);
    for (name, change) in [
        ("Stream Takeover", StreamChange::Start),
        ("Stream End", StreamChange::End),
        ("Session Ended", StreamChange::End),
        ("Session Created", StreamChange::Other("Session Created".into())),
        ("Stream Takeover Failure", StreamChange::Other("Stream Takeover Failure".into())),
        ("Never Heard Of", StreamChange::Other("Never Heard Of".into())),
    ] {
        assert_eq!(ivs_of(&ivs(name, "", "yesterday").to_string()), (change, None, None));
    }
    let mut failure = ivs("Stream Failure", "st-1", "2017-06-12T10:23:43.5Z");
    failure["detail"]["reason"] = "MAX_BITRATE".into();
    assert_eq!(ivs_of(&failure.to_string()).0, StreamChange::Failure("MAX_BITRATE".into()));
    for (state, running, change) in [
        ("RUNNING", 1, MediaLiveChange::Running),
        ("STOPPED", 0, MediaLiveChange::Stopped),
        ("STOPPED", 1, MediaLiveChange::Other),
        ("DELETED", 0, MediaLiveChange::Stopped),
        ("STARTING", 0, MediaLiveChange::Other),
    ] {
        let event = PlatformEvent::parse(&medialive(state, running, "2017-06-12T10:23:43Z")).unwrap();
        assert_eq!(event, PlatformEvent::MediaLive { channel: MEDIALIVE.into(), change, at: Some(AT) });
    }
}

#[test]
fn unsupported_messages_are_refused_with_a_reason() {
    for body in ["", "hello", "{}", "[]", "null", r#"{"detail-type": 7}"#, r#"{"Message": "hello"}"#] {
        assert!(matches!(PlatformEvent::parse(body), Err(EventError::NotAnEvent(_))), "{body}");
    }
    let mut event = ivs("Stream Start", "st-1", "2017-06-12T10:23:43Z");
    event["resources"] = json!([]);
    assert_eq!(PlatformEvent::parse(&event.to_string()), Err(EventError::NoChannel));
    event["detail-type"] = "IVS Recording State Change".into();
    assert!(matches!(PlatformEvent::parse(&event.to_string()), Err(EventError::Unsupported(_))));
}

proptest! {
    #[test]
    fn parsing_does_not_panic_for_any_text(at in 0..400_usize, text in ".{0,8}", cut in 0..40_usize) {
        let mut body = start("st-1");
        let from = body.floor_char_boundary(at.min(body.len()));
        let to = body.floor_char_boundary((from + cut).min(body.len()));
        body.replace_range(from..to, &text);
        let _ = PlatformEvent::parse(&body);
    }
}

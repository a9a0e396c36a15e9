//! Tests of the deliveries of events and of their keys.

use std::path::{Component, Path};

use chrono::Duration;
use proptest::prelude::*;
use refrain_app::response::file_name;
use refrain_catalog::NewOutboxMessage;
use refrain_service::delivery::{
    CurrentSong, DetectionEvent, KeyTemplate, KeyTemplateError, MAX_KEY_BYTES, OutboxPlanner,
};
use refrain_service::settings::{DetectionOrigin, SinkFormat, SinkKind, SinkSettings};
use serde_json::{Value, json};

use super::{detection_event, evening, folder_sink, sink};

fn payload(message: &NewOutboxMessage) -> Value {
    serde_json::from_str(&message.payload).unwrap()
}

fn s3(key: &str) -> SinkSettings {
    sink("s3", SinkKind::S3 { bucket: "b".into(), key: key.into() })
}

fn song_sink() -> SinkSettings {
    SinkSettings { format: SinkFormat::Song, ..sink("sns", SinkKind::Sns { topic: "t".into() }) }
}

fn key(template: &str, detection_event: &DetectionEvent<'_>) -> String {
    KeyTemplate::parse(template).unwrap();
    let messages = OutboxPlanner::new(&[s3(template)]).deliveries(detection_event);
    payload(&messages[0])["key"].as_str().unwrap().to_owned()
}

#[test]
fn message_contains_everything_for_its_delivery() {
    let sinks = [s3("{stream_id}/{file}"), sink("hook", SinkKind::Stdout)];
    let messages = OutboxPlanner::new(&sinks).deliveries(&detection_event());
    let file = file_name("st-1", &evening(), 1);
    let body = "{\"statusCode\":2006}";
    let with_key = json!({"version": 1, "event": "start", "stream": "st-1", "key": format!("st-1/{file}"), "body": body});
    let without = json!({"version": 1, "event": "start", "stream": "st-1", "body": body});
    assert_eq!(messages.iter().map(payload).collect::<Vec<_>>(), [with_key, without]);
    assert!(messages.iter().map(|message| message.sink.as_str()).eq(["s3", "hook"]));
    assert!(messages.iter().all(|message| message.key == "01930000-0000-7000-8000-000000000001/start/0"));
}

#[test]
fn sinks_get_the_configured_events() {
    let file = SinkSettings {
        from: vec![DetectionOrigin::File, DetectionOrigin::Archive],
        ..sink("file", SinkKind::Stdout)
    };
    let planner = OutboxPlanner::new(&[file, sink("live", SinkKind::Stdout), song_sink()]);
    let names = |detection_event: &DetectionEvent<'_>| {
        planner.deliveries(detection_event).into_iter().map(|message| message.sink).collect::<Vec<_>>()
    };
    let song = Some(CurrentSong { song: Some("x"), score: 1, begins: false });
    assert_eq!(names(&detection_event()), ["live"]);
    assert_eq!(names(&DetectionEvent { song, ..detection_event() }), ["live", "sns"]);
    assert_eq!(names(&DetectionEvent { song, event: "change", ..detection_event() }), ["sns"]);
    assert_eq!(
        names(&DetectionEvent { from: DetectionOrigin::Archive, song, ..detection_event() }),
        ["file"]
    );
}

#[test]
fn song_messages_have_the_format_of_the_sample() {
    let planner = OutboxPlanner::new(&[song_sink()]);
    let song_message = |song, score, begins| {
        let messages = planner.deliveries(&DetectionEvent {
            song: Some(CurrentSong { song, score, begins }),
            ..detection_event()
        });
        (payload(&messages[0])["body"].as_str().unwrap().to_owned(), messages[0].key.clone())
    };
    let (song, song_key) = song_message(Some("my \"song\""), 42, false);
    let (none, none_key) = song_message(None, 3, false);
    assert_eq!(song, r#"{"stream":"st-1","song":"my \"song\"","score":42}"#);
    assert_eq!(none, r#"{"stream":"st-1","song":null,"score":3}"#);
    assert_eq!(song_message(None, 3, true).0, r#"{"stream":"st-1","song":"Not Recognized","score":0}"#);
    assert_ne!(song_key, none_key, "a song and its end are two messages");
}

#[test]
fn templates_are_filled_in() {
    let arn = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh";
    let reported = DetectionEvent { channel: Some(arn), ..detection_event() };
    let file = file_name("st-1", &evening(), 1);
    for (template, want) in [
        ("{stream_id}/{file}", format!("st-1/{file}")),
        ("{date}/{stream_id}/{file}", format!("20230523/st-1/{file}")),
        (
            "x/{channel}-{event}/{detection}.json",
            "x/abcdABCDefgh-start/01930000-0000-7000-8000-000000000001.json".into(),
        ),
    ] {
        assert_eq!(key(template, &reported), want);
    }
    let medialive =
        DetectionEvent { channel: Some("arn:aws:medialive:eu-west-1:1:channel:77"), ..detection_event() };
    assert_eq!(key("{channel}/{file}", &medialive), format!("77/{file}"));
    assert_eq!(key("{channel}/{file}", &detection_event()), format!("st-1/{file}"));
    assert!(
        key("{detection}/{file}", &DetectionEvent { detection: None, ..detection_event() })
            .starts_with("none/")
    );
}

#[test]
fn invalid_template_is_refused_with_a_reason() {
    for (text, want) in [
        ("{stream}/{file}", KeyTemplateError::Unknown("stream".into())),
        ("{}/{file}", KeyTemplateError::Unknown(String::new())),
        ("{stream_id/{file}", KeyTemplateError::Brace),
        ("stream_id}/{file}", KeyTemplateError::Brace),
        ("{file", KeyTemplateError::Brace),
        ("a\n{file}", KeyTemplateError::Character('\n')),
        ("a\\{file}", KeyTemplateError::Character('\\')),
        ("", KeyTemplateError::Part),
        ("/{file}", KeyTemplateError::Part),
        ("{file}/", KeyTemplateError::Part),
        ("a//{file}", KeyTemplateError::Part),
        ("../{file}", KeyTemplateError::Part),
        ("a/./{file}", KeyTemplateError::Part),
        ("{stream_id}/{date}.json", KeyTemplateError::NotUnique),
    ] {
        assert_eq!(KeyTemplate::parse(text), Err(want), "{text:?}");
    }
    let error = KeyTemplate::parse("{stream}/{file}").unwrap_err().to_string();
    assert!(error.contains("{stream}") && error.contains("{stream_id}"), "{error}");
    let long = format!("{}/{{file}}", "x".repeat(MAX_KEY_BYTES));
    assert!(matches!(KeyTemplate::parse(&long), Err(KeyTemplateError::TooLong(_))));
}

fn templates() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 6] = ["{stream_id}", "{file}", "{date}", "{channel}", "{detection}", "{event}"];
    const TEXT: [&str; 8] = ["/", ".", "..", "a", "é", ".json", "\\", "{"];
    let piece = prop_oneof![
        6 => prop::sample::select(&KNOWN[..]).prop_map(str::to_owned),
        4 => prop::sample::select(&TEXT[..]).prop_map(str::to_owned),
        1 => ".{0,80}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![".{0,20}", "[./\\\\é:]{0,400}", Just("..".to_owned()), Just(String::new())]
}

proptest! {
    #[test]
    fn keys_stay_in_their_folder_and_within_the_limit(
        template in templates(), id in names(), channel in names(), event in names(),
    ) {
        let reported = DetectionEvent { stream_id: &id, channel: Some(&channel), event: &event, ..detection_event() };
        let messages = OutboxPlanner::new(&[folder_sink(Path::new("/f"), &template)]).deliveries(&reported);
        // Folders get no `change` events.
        prop_assume!(messages.len() == 1);
        let payload = payload(&messages[0]);
        let key = payload["key"].as_str().unwrap();
        prop_assert!(key.len() + "_999999".len() <= MAX_KEY_BYTES, "{} bytes", key.len());
        prop_assert!(Path::new(key).components().all(|part| matches!(part, Component::Normal(_))), "{key:?}");
        for part in key.split('/') {
            prop_assert!((1..=248).contains(&part.len()) && part != "." && part != "..", "{key:?}");
            prop_assert!(!part.contains(|c: char| c.is_control()), "{key:?}");
        }
    }

    #[test]
    fn same_event_has_the_same_messages_and_another_event_has_others(
        id in names(), number in any::<u64>(), other in any::<u64>(), seconds in 0..100_000_i64,
    ) {
        let sinks = [s3("{stream_id}/{file}"), song_sink()];
        let song = Some(CurrentSong { song: Some("x"), score: 1, begins: false });
        for detection in [None, detection_event().detection] {
            let reported = |number, seconds| {
                let at = evening() + Duration::seconds(seconds);
                let detection_event = DetectionEvent { stream_id: &id, detection, number, song, at, ..detection_event() };
                OutboxPlanner::new(&sinks).deliveries(&detection_event)
            };
            let messages = reported(number, 0);
            prop_assert_eq!(&messages, &reported(number, 0));
            prop_assert!(messages.iter().all(|message| message.key.len() <= 1_900));
            // A later report of the same event has the same names.
            let names = |messages: &[NewOutboxMessage]| messages.iter().map(|m| m.key.clone()).collect::<Vec<_>>();
            prop_assert_eq!(names(&messages), names(&reported(number, seconds)));
            if other != number {
                prop_assert!(messages.iter().zip(reported(other, 0)).all(|(one, two)| one.key != two.key));
            }
        }
    }
}

//! Tests of the folder sink.

use refrain_app::response::file_name;
use refrain_catalog::{DeliveryStatus, NewOutboxMessage};
use refrain_service::settings::SinkKind;

use super::{OutboxTest, evening, files, folder_sink, now, outbox, sink};

fn message(name: &str, key: &str, body: &str) -> NewOutboxMessage {
    let payload =
        serde_json::json!({"version": 1, "event": "start", "stream": "x", "key": key, "body": body});
    NewOutboxMessage { sink: "folder".into(), key: name.into(), payload: payload.to_string() }
}

#[tokio::test]
async fn results_of_the_same_second_have_separate_files() {
    let fixture = OutboxTest::new().await;
    let out = fixture.path().join("out");
    let sinks = [folder_sink(&out, "{date}/{stream_id}/{file}")];
    fixture.enqueue_responses(&sinks, &["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]).await;
    // This message was written by an attempt that could not record its success. It must not create a second file.
    let again = fixture.waiting().await[0].clone();
    fixture
        .put(&[NewOutboxMessage { sink: again.sink, key: "again".into(), payload: again.payload }], now())
        .await;
    let running = fixture.begin(&outbox(&sinks));
    fixture.until(DeliveryStatus::Delivered, 4).await;
    running.end().await;

    let found = files(&out);
    let name = |number| format!("20230523/st-1/{}", file_name("st-1", &evening(), number));
    let mut names: Vec<_> = (1..=3).map(name).collect();
    names.sort();
    assert!(found.iter().map(|(name, _)| name).eq(&names), "{found:#?}");
    let mut texts: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["{\"a\":1}\n", "{\"a\":2}\n", "{\"a\":3}\n"]);
    assert_eq!(fixture.counters.delivered.get(), 4);
}

#[tokio::test]
async fn undeliverable_messages_are_dead_and_stop_no_others() {
    let fixture = OutboxTest::new().await;
    let out = fixture.path().join("out");
    let sinks = [folder_sink(&out, "{file}")];
    let damaged = NewOutboxMessage { payload: "{\"version\":1".into(), ..message("damaged", "", "") };
    let newer = NewOutboxMessage {
        payload: "{\"version\":9,\"event\":\"\",\"stream\":\"\",\"body\":\"\"}".into(),
        ..message("newer", "", "")
    };
    let bad =
        [message("out", "../out.json", "{}"), message("root", "/root.json", "{}"), message("none", "", "{}")];
    fixture.put(&bad, now()).await;
    fixture.put(&[damaged, newer, message("good", "deep/good.json", "{}")], now()).await;
    let running = fixture.begin(&outbox(&sinks));
    let dead = fixture.until(DeliveryStatus::Dead, 4).await;
    fixture.until(DeliveryStatus::Delivered, 1).await;
    let newer = fixture.until_failed().await;
    running.end().await;

    assert!(newer.last_error.unwrap().contains("update"), "a newer program may support it");
    assert!(dead.iter().all(|delivery| delivery.attempts == 1 && delivery.last_error.is_some()), "{dead:#?}");
    assert!(dead[0].last_error.as_deref().unwrap().contains("leads out"), "{dead:#?}");
    assert_eq!(files(&out), [("deep/good.json".to_owned(), "{}\n".to_owned())]);
    assert!(!fixture.path().join("out.json").exists());
    assert_eq!((fixture.counters.deliveries_dead.get(), fixture.counters.delivered.get()), (4, 1));
}

#[tokio::test]
async fn sink_that_is_down_does_not_delay_other_sinks() {
    let fixture = OutboxTest::new().await;
    let out = fixture.path().join("out");
    std::fs::write(&out, "no folder").unwrap();
    let sinks = [folder_sink(&out, "{file}"), sink("stdout", SinkKind::Stdout)];
    let bodies: Vec<String> = (0..20).map(|n| format!("{{\"n\":{n}}}")).collect();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    fixture.enqueue_responses(&sinks, &bodies).await;
    let running = fixture.begin(&outbox(&sinks));
    fixture.until(DeliveryStatus::Delivered, 20).await;
    let failed = fixture.until_failed().await;
    assert_eq!(fixture.lines.lines().len(), 20);
    assert_eq!((failed.sink.as_str(), fixture.waiting().await.len()), ("folder", 20));
    assert!(failed.last_error.unwrap().contains("out"));

    std::fs::remove_file(&out).unwrap();
    fixture.until(DeliveryStatus::Delivered, 40).await;
    running.end().await;
    assert_eq!(files(&out).len(), 20);
}

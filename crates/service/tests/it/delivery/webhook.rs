//! Tests of the webhook sink with a real server.

use std::time::Duration;

use aws_lc_rs::hmac;
use refrain_catalog::DeliveryStatus;
use refrain_service::settings::{OutboxSettings, Secret, SinkKind, SinkSettings};
use refrain_testkit::origin::{Fault, LoggedRequest, Origin, Times};

use super::{OutboxTest, now, outbox, sink};

const BODY: &str = "{\"statusCode\":2006}";

fn hook(url: &str) -> SinkSettings {
    let kind = SinkKind::Webhook {
        url: Secret::new(url.to_owned()),
        secret: Some(Secret::new("hush".into())),
        timeout: Duration::from_secs(1),
        allow_private: true,
    };
    sink("hook", kind)
}

async fn origin() -> Origin {
    let origin = Origin::start().await.unwrap();
    origin.put("/hook", "thanks", "text/plain");
    origin
}

fn header<'a>(asked: &'a LoggedRequest, name: &str) -> &'a str {
    asked.headers.get(name).unwrap().to_str().unwrap()
}

/// Returns true if the signature has the documented form: `t=SECONDS,v1=HEX` over `SECONDS.BODY`.
fn is_signed(asked: &LoggedRequest, secret: &[u8]) -> bool {
    let (time, tag) = header(asked, "refrain-signature").split_once(',').unwrap();
    let seconds = time.strip_prefix("t=").unwrap();
    assert!((now() / 1000 - seconds.parse::<i64>().unwrap()).abs() < 60);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signed = [seconds.as_bytes(), b".", &asked.body].concat();
    let hex: String = hmac::sign(&key, &signed).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    tag == format!("v1={hex}")
}

#[tokio::test]
async fn message_is_posted_and_signed() {
    let (fixture, origin) = (OutboxTest::new().await, origin().await);
    let sinks = [hook(&origin.url("/hook"))];
    fixture.enqueue_responses(&sinks, &[BODY]).await;
    let running = fixture.begin(&outbox(&sinks));
    let done = fixture.until(DeliveryStatus::Delivered, 1).await;
    running.end().await;
    let asked = origin.requests();
    assert_eq!((asked.len(), &asked[0].body[..]), (1, BODY.as_bytes()));
    assert!(is_signed(&asked[0], b"hush") && !is_signed(&asked[0], b"other"));
    assert_eq!(header(&asked[0], "content-type"), "application/json");
    assert_eq!(header(&asked[0], "idempotency-key"), done[0].key);
    assert_eq!(header(&asked[0], "refrain-delivery"), done[0].id.to_string());
    assert_eq!(header(&asked[0], "refrain-event"), "start");
    assert_eq!((done[0].attempts, fixture.counters.delivered.get()), (1, 1));
}

#[tokio::test]
async fn failed_message_is_posted_again_unchanged() {
    for (fault, why) in [
        (Fault::Status(500), "status 500"),
        (Fault::Status(403), "status 403"),
        (Fault::Status(429), "status 429"),
        (Fault::Late(Duration::from_secs(60)), "no answer within 1.0 s"),
        (Fault::Reset, "127.0.0.1"),
        (Fault::Redirect("/elsewhere".into()), "status 30"),
    ] {
        let (fixture, origin) = (OutboxTest::new().await, origin().await);
        origin.put("/elsewhere", "", "text/plain");
        origin.fault("/hook", fault, Times::First(2));
        let sinks = [hook(&origin.url("/hook"))];
        fixture.enqueue_responses(&sinks, &[BODY]).await;
        let running = fixture.begin(&outbox(&sinks));
        let done = fixture.until(DeliveryStatus::Delivered, 1).await;
        running.end().await;
        let error = done[0].last_error.as_deref().unwrap();
        assert!(error.contains(why), "{error}");
        assert_eq!((done[0].attempts, fixture.counters.delivery_failures.get()), (3, 2));
        let asked = origin.requests();
        assert!(
            asked
                .iter()
                .all(|asked| asked.path == "/hook" && asked.body == BODY && is_signed(asked, b"hush"))
        );
        assert!(asked.iter().all(|asked| header(asked, "idempotency-key") == done[0].key));
    }
}

#[tokio::test]
async fn permanently_refused_messages_are_dead_at_once_and_the_sink_stays_up() {
    let refused = [400, 404, 410, 413, 422, 400];
    let (fixture, origin) = (OutboxTest::new().await, origin().await);
    for status in refused {
        origin.fault("/hook", Fault::Status(status), Times::First(1));
    }
    let sinks = [hook(&origin.url("/hook"))];
    let bodies: Vec<String> = (0..=refused.len()).map(|number| format!("{{\"n\":{number}}}")).collect();
    fixture.enqueue_responses(&sinks, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let running = fixture.begin(&outbox(&sinks));
    let dead = fixture.until(DeliveryStatus::Dead, refused.len()).await;
    fixture.until(DeliveryStatus::Delivered, 1).await;
    running.end().await;
    assert!(dead.iter().all(|message| message.attempts == 1), "{dead:?}");
    assert_eq!(origin.requests().len(), refused.len() + 1);
}

#[tokio::test]
async fn retry_after_delays_the_next_attempt() {
    for status in [429, 503] {
        let (fixture, origin) = (OutboxTest::new().await, origin().await);
        origin.fault("/hook", Fault::RetryAfter(status, "1000"), Times::First(1));
        let sinks = [hook(&origin.url("/hook"))];
        fixture.enqueue_responses(&sinks, &[BODY]).await;
        let running = fixture.begin(&outbox(&sinks));
        let failed = fixture.until_failed().await;
        running.end().await;
        assert!(failed.next_attempt_at > now() + 900_000, "{failed:?}");
        assert!(failed.last_error.unwrap().contains("retry after 1000 s"));
    }
}

#[tokio::test]
async fn one_failing_message_does_not_delay_the_others() {
    let (fixture, origin) = (OutboxTest::new().await, origin().await);
    origin.fault("/hook", Fault::RetryAfter(503, "1000"), Times::First(1));
    let sinks = [hook(&origin.url("/hook"))];
    fixture.enqueue_responses(&sinks, &[BODY]).await;
    let running = fixture.begin(&outbox(&sinks));
    fixture.until_failed().await;
    fixture.enqueue_responses(&sinks, &[BODY, "{\"n\":1}", "{\"n\":2}"]).await;
    running.waker.wake();
    fixture.until(DeliveryStatus::Delivered, 2).await;
    running.end().await;
    assert_eq!(fixture.waiting().await.len(), 1);
}

#[tokio::test]
async fn message_refused_by_the_receiver_is_dead_until_it_is_retried() {
    let (fixture, origin) = (OutboxTest::new().await, origin().await);
    origin.fault("/hook", Fault::Status(410), Times::First(1));
    let sinks = [hook(&origin.url("/hook"))];
    fixture.enqueue_responses(&sinks, &[BODY]).await;
    let running = fixture.begin(&outbox(&sinks));
    let dead = fixture.until(DeliveryStatus::Dead, 1).await;
    assert!(dead[0].last_error.as_deref().unwrap().contains("410"));
    assert_eq!((origin.requests().len(), fixture.counters.deliveries_dead.get()), (1, 1));

    // A manual retry delivers it.
    assert_eq!(fixture.catalog.journal().retry(&[dead[0].id]).await.unwrap(), 1);
    running.waker.wake();
    fixture.until(DeliveryStatus::Delivered, 1).await;
    running.end().await;
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test]
async fn expired_message_is_dead_after_the_minimum_number_of_attempts() {
    let (fixture, origin) = (OutboxTest::new().await, origin().await);
    origin.fault("/hook", Fault::Status(503), Times::Always);
    let sinks = [hook(&origin.url("/hook"))];
    fixture.enqueue_responses_at(&sinks, &[BODY], now() - 2 * 3_600_000).await;
    let settings = OutboxSettings { give_up: Duration::from_secs(3600), ..outbox(&sinks) };
    let running = fixture.begin(&settings);
    let dead = fixture.until(DeliveryStatus::Dead, 1).await;
    running.end().await;
    assert_eq!(dead[0].attempts, 5);
    assert_eq!(origin.requests().len(), 5);
}

#[tokio::test]
async fn private_addresses_get_no_request_and_errors_do_not_contain_the_url() {
    let (fixture, origin) = (OutboxTest::new().await, origin().await);
    origin.fault("*", Fault::Status(500), Times::Always);
    let url = origin.url("/hook/T0KEN?key=T0KEN");
    let mut guarded = hook(&url);
    guarded.name = "guarded".into();
    if let SinkKind::Webhook { allow_private, .. } = &mut guarded.kind {
        *allow_private = false;
    }
    fixture.enqueue_responses(&[guarded.clone()], &[BODY]).await;
    let running = fixture.begin(&outbox(&[guarded, hook(&url)]));
    let refused = fixture.until_failed().await.last_error.unwrap();
    assert!(refused.contains("allow_private of this sink"), "{refused}");
    assert_eq!(origin.requests().len(), 0);

    fixture.enqueue_responses(&[hook(&url)], &[BODY]).await;
    running.waker.wake();
    fixture.until_some(async || Some(()).filter(|()| !origin.requests().is_empty())).await;
    let tried = async || {
        fixture.waiting().await.into_iter().find(|one| one.sink == "hook" && one.last_error.is_some())
    };
    let tried = fixture.until_some(tried).await.last_error.unwrap();
    running.end().await;
    assert!(tried.contains("500") && !tried.contains("T0KEN") && !refused.contains("T0KEN"), "{tried}");
}

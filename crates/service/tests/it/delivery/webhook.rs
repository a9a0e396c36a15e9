//! Tests of the webhook sink with a real server.

use std::time::Duration;

use aws_lc_rs::hmac;
use refrain_catalog::DeliveryStatus;
use refrain_service::settings::{OutboxSettings, Secret, SinkKind, SinkSettings};
use refrain_testkit::origin::{Asked, Fault, Origin, Times};

use super::{Post, now, outbox, sink};

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

fn header<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked.headers.get(name).unwrap().to_str().unwrap()
}

/// Returns true if the signature has the documented form: `t=SECONDS,v1=HEX` over `SECONDS.BODY`.
fn is_signed(asked: &Asked, secret: &[u8]) -> bool {
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
    let (post, origin) = (Post::new().await, origin().await);
    let sinks = [hook(&origin.url("/hook"))];
    post.tell(&sinks, &[BODY]).await;
    let working = post.begin(&outbox(&sinks));
    let done = post.until(DeliveryStatus::Delivered, 1).await;
    working.end().await;
    let asked = origin.asked();
    assert_eq!((asked.len(), &asked[0].body[..]), (1, BODY.as_bytes()));
    assert!(is_signed(&asked[0], b"hush") && !is_signed(&asked[0], b"other"));
    assert_eq!(header(&asked[0], "content-type"), "application/json");
    assert_eq!(header(&asked[0], "idempotency-key"), done[0].key);
    assert_eq!(header(&asked[0], "refrain-delivery"), done[0].id.to_string());
    assert_eq!(header(&asked[0], "refrain-event"), "start");
    assert_eq!((done[0].attempts, post.measures.delivered.get()), (1, 1));
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
        let (post, origin) = (Post::new().await, origin().await);
        origin.put("/elsewhere", "", "text/plain");
        origin.fault("/hook", fault, Times::First(2));
        let sinks = [hook(&origin.url("/hook"))];
        post.tell(&sinks, &[BODY]).await;
        let working = post.begin(&outbox(&sinks));
        let done = post.until(DeliveryStatus::Delivered, 1).await;
        working.end().await;
        let error = done[0].last_error.as_deref().unwrap();
        assert!(error.contains(why), "{error}");
        assert_eq!((done[0].attempts, post.measures.delivery_failures.get()), (3, 2));
        let asked = origin.asked();
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
    let (post, origin) = (Post::new().await, origin().await);
    for status in refused {
        origin.fault("/hook", Fault::Status(status), Times::First(1));
    }
    let sinks = [hook(&origin.url("/hook"))];
    let bodies: Vec<String> = (0..=refused.len()).map(|number| format!("{{\"n\":{number}}}")).collect();
    post.tell(&sinks, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let working = post.begin(&outbox(&sinks));
    let dead = post.until(DeliveryStatus::Dead, refused.len()).await;
    post.until(DeliveryStatus::Delivered, 1).await;
    working.end().await;
    assert!(dead.iter().all(|message| message.attempts == 1), "{dead:?}");
    assert_eq!(origin.asked().len(), refused.len() + 1);
}

#[tokio::test]
async fn retry_after_delays_the_next_attempt() {
    for status in [429, 503] {
        let (post, origin) = (Post::new().await, origin().await);
        origin.fault("/hook", Fault::RetryAfter(status, "1000"), Times::First(1));
        let sinks = [hook(&origin.url("/hook"))];
        post.tell(&sinks, &[BODY]).await;
        let working = post.begin(&outbox(&sinks));
        let failed = post.until_failed().await;
        working.end().await;
        assert!(failed.next_attempt_at > now() + 900_000, "{failed:?}");
        assert!(failed.last_error.unwrap().contains("retry after 1000 s"));
    }
}

#[tokio::test]
async fn one_failing_message_does_not_delay_the_others() {
    let (post, origin) = (Post::new().await, origin().await);
    origin.fault("/hook", Fault::RetryAfter(503, "1000"), Times::First(1));
    let sinks = [hook(&origin.url("/hook"))];
    post.tell(&sinks, &[BODY]).await;
    let working = post.begin(&outbox(&sinks));
    post.until_failed().await;
    post.tell(&sinks, &[BODY, "{\"n\":1}", "{\"n\":2}"]).await;
    working.waker.wake();
    post.until(DeliveryStatus::Delivered, 2).await;
    working.end().await;
    assert_eq!(post.waiting().await.len(), 1);
}

#[tokio::test]
async fn message_refused_by_the_receiver_is_dead_until_it_is_retried() {
    let (post, origin) = (Post::new().await, origin().await);
    origin.fault("/hook", Fault::Status(410), Times::First(1));
    let sinks = [hook(&origin.url("/hook"))];
    post.tell(&sinks, &[BODY]).await;
    let working = post.begin(&outbox(&sinks));
    let dead = post.until(DeliveryStatus::Dead, 1).await;
    assert!(dead[0].last_error.as_deref().unwrap().contains("410"));
    assert_eq!((origin.asked().len(), post.measures.deliveries_dead.get()), (1, 1));

    // A manual retry delivers it.
    assert_eq!(post.catalog.journal().retry(&[dead[0].id]).await.unwrap(), 1);
    working.waker.wake();
    post.until(DeliveryStatus::Delivered, 1).await;
    working.end().await;
    assert_eq!(origin.asked().len(), 2);
}

#[tokio::test]
async fn expired_message_is_dead_after_the_minimum_number_of_attempts() {
    let (post, origin) = (Post::new().await, origin().await);
    origin.fault("/hook", Fault::Status(503), Times::Always);
    let sinks = [hook(&origin.url("/hook"))];
    post.tell_at(&sinks, &[BODY], now() - 2 * 3_600_000).await;
    let settings = OutboxSettings { give_up: Duration::from_secs(3600), ..outbox(&sinks) };
    let working = post.begin(&settings);
    let dead = post.until(DeliveryStatus::Dead, 1).await;
    working.end().await;
    assert_eq!(dead[0].attempts, 5);
    assert_eq!(origin.asked().len(), 5);
}

#[tokio::test]
async fn private_addresses_get_no_request_and_errors_do_not_contain_the_url() {
    let (post, origin) = (Post::new().await, origin().await);
    origin.fault("*", Fault::Status(500), Times::Always);
    let url = origin.url("/hook/T0KEN?key=T0KEN");
    let mut guarded = hook(&url);
    guarded.name = "guarded".into();
    if let SinkKind::Webhook { allow_private, .. } = &mut guarded.kind {
        *allow_private = false;
    }
    post.tell(&[guarded.clone()], &[BODY]).await;
    let working = post.begin(&outbox(&[guarded, hook(&url)]));
    let refused = post.until_failed().await.last_error.unwrap();
    assert!(refused.contains("allow_private of this sink"), "{refused}");
    assert_eq!(origin.asked().len(), 0);

    post.tell(&[hook(&url)], &[BODY]).await;
    working.waker.wake();
    post.until_so(async || Some(()).filter(|()| !origin.asked().is_empty())).await;
    let tried =
        async || post.waiting().await.into_iter().find(|one| one.sink == "hook" && one.last_error.is_some());
    let tried = post.until_so(tried).await.last_error.unwrap();
    working.end().await;
    assert!(tried.contains("500") && !tried.contains("T0KEN") && !refused.contains("T0KEN"), "{tried}");
}

//! Sink that posts to a webhook.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use bytes::Bytes;
use refrain_net::{AddressPolicy, HeaderName, HttpClient, HttpFailure, HttpRequest, PostResponse};
use url::Url;

use super::{DeliveryError, Sink, SinkMessage};
use crate::delivery::hex::hexadecimal;
use crate::settings::Secret;

/// Statuses that make a failure permanent, because a retry of the same message would get the same status. These
/// statuses mean that the body is invalid, the address does not exist or no longer exists, the body is too large, or
/// its content is refused. Other failures are retried: a person can replace a wrong token after 401 or 403.
const PERMANENT: [u16; 5] = [400, 404, 410, 413, 422];

/// Statuses whose `Retry-After` is used, in addition to 500 to 599: timeout, too early, too many requests.
const TRANSIENT: [u16; 3] = [408, 425, 429];

/// Maximum pause that a receiver can request with `Retry-After`: a wrong date must not delay a message for days.
/// Receivers that limit rates request pauses of seconds to minutes. At half this value, a receiver with an hourly quota
/// gets one useless request; at twice this value, a wrong header delays a message by two hours.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

const CONTENT_TYPE: HeaderName = HeaderName::from_static("content-type");
/// Header with the number of the message in the outbox, as shown by `refrain outbox list`.
const DELIVERY: HeaderName = HeaderName::from_static("refrain-delivery");
const EVENT: HeaderName = HeaderName::from_static("refrain-event");
const SIGNATURE: HeaderName = HeaderName::from_static("refrain-signature");
/// Header whose value is the same in each attempt at a message (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Sink that sends each message with a POST request, signed if the sink has a secret.
pub(super) struct Webhook {
    client: HttpClient,
    url: Url,
    key: Option<hmac::Key>,
    timeout: Duration,
    policy: AddressPolicy,
}

impl Webhook {
    pub(super) fn new(
        client: HttpClient,
        url: Url,
        secret: Option<Secret>,
        timeout: Duration,
        allow_private: bool,
    ) -> Self {
        let key = secret.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()));
        let policy = if allow_private { AddressPolicy::AllowPrivate } else { AddressPolicy::PublicOnly };
        Self { client, url, key, timeout, policy }
    }

    fn request(&self, message: &SinkMessage) -> HttpRequest<'_> {
        let request = HttpRequest::new(&self.url, &self.policy)
            .header(CONTENT_TYPE, "application/json")
            .header(DELIVERY, &message.id.to_string())
            .header(EVENT, &message.event)
            .header(IDEMPOTENCY_KEY, &quoted(&message.name));
        match &self.key {
            Some(key) => request.header(SIGNATURE, &signature(key, seconds(), &message.body)),
            None => request,
        }
    }

    /// Returns the host of the URL, for error messages: the rest of the URL is often a secret.
    fn host(&self) -> &str {
        self.url.host_str().unwrap_or("the webhook")
    }
}

#[async_trait]
impl Sink for Webhook {
    async fn deliver(&self, message: SinkMessage) -> Result<(), DeliveryError> {
        let request = self.request(&message);
        // Errors contain only the host, because the path of a webhook often contains its secret.
        let host = self.host();
        match self.client.post(request, Bytes::from(message.body), self.timeout).await {
            Ok(post_response) => outcome(host, &post_response, SystemTime::now()),
            Err(error) => Err(DeliveryError::Transient(match error.reason {
                HttpFailure::Refused => format!(
                    "{host}: its address is private or reserved; set allow_private of this sink \
                     (REFRAIN_SINK_WEBHOOK_ALLOW_PRIVATE) if the receiver has a private address"
                ),
                reason => format!("{host}: {reason}"),
            })),
        }
    }

    fn delivery_timeout(&self) -> Duration {
        // The timeout of the request must expire before that of the delivery, because its error is more precise.
        self.timeout + Duration::from_secs(5)
    }
}

/// Converts a response that arrived at `now` to the outcome of the delivery.
fn outcome(host: &str, post_response: &PostResponse, now: SystemTime) -> Result<(), DeliveryError> {
    let status = post_response.status;
    let reason = format!("{host}: status {status}");
    if (200..300).contains(&status) {
        return Ok(());
    }
    if PERMANENT.contains(&status) {
        return Err(DeliveryError::Permanent(format!(
            "{reason}, with which the receiver rejects the message permanently"
        )));
    }
    let honored = TRANSIENT.contains(&status) || (500..600).contains(&status);
    let requested_pause =
        post_response.retry_after.as_deref().filter(|_| honored).and_then(|text| retry_after(text, now));
    Err(match requested_pause {
        Some(pause) => {
            DeliveryError::TransientAfter(format!("{reason}, retry after {} s", pause.as_secs()), pause)
        }
        None => DeliveryError::Transient(reason),
    })
}

/// Parses `Retry-After` (RFC 9110, section 10.2.3): seconds or an HTTP date. Returns the pause, at most
/// [`MAX_RETRY_AFTER`]. Returns `None` if the text is invalid, or if the pause is over at `now`.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let pause = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only a number that is too long for 64 bits cannot be parsed.
        text.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?
    };
    Some(pause.min(MAX_RETRY_AFTER)).filter(|pause| !pause.is_zero())
}

/// Returns the signature `t=SECONDS,v1=HEX`. SECONDS is the time since 1970 in seconds, and HEX is the HMAC-SHA256 of
/// `SECONDS.BODY` (RFC 2104).
fn signature(key: &hmac::Key, seconds: u64, body: &str) -> String {
    let tag = hmac::sign(key, format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hexadecimal(tag.as_ref()))
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Returns the name as a header value: all bytes other than visible ASCII are percent-encoded.
fn quoted(name: &str) -> String {
    use std::fmt::Write;
    name.bytes().fold(String::with_capacity(name.len()), |mut text, byte| {
        if byte.is_ascii_graphic() && byte != b'%' {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome_of(status: u16, retry_after: Option<&str>) -> Result<(), DeliveryError> {
        // 2026-11-21T10:57:55Z
        let now = UNIX_EPOCH + Duration::from_secs(1_795_258_675);
        outcome("host", &PostResponse { status, retry_after: retry_after.map(str::to_owned) }, now)
    }

    #[test]
    fn permanent_and_transient_statuses_are_distinguished() {
        assert_eq!(outcome_of(204, None), Ok(()));
        for status in [400, 404, 410, 413, 422] {
            assert!(matches!(outcome_of(status, Some("5")), Err(DeliveryError::Permanent(_))), "{status}");
        }
        for status in [301, 401, 403, 408, 409, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(outcome_of(status, None), Err(DeliveryError::Transient(_))), "{status}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date_and_capped() {
        let pause = |text| match outcome_of(503, Some(text)) {
            Err(DeliveryError::TransientAfter(_, pause)) => Some(pause.as_secs()),
            _ => None,
        };
        assert_eq!(pause("120"), Some(120));
        assert_eq!(pause(" 120 "), Some(120));
        assert_eq!(pause("Sat, 21 Nov 2026 10:58:55 GMT"), Some(60));
        assert_eq!(pause("Sat, 21 Nov 2037 10:58:55 GMT"), Some(MAX_RETRY_AFTER.as_secs()));
        assert_eq!(pause("99999999999999999999999999"), Some(MAX_RETRY_AFTER.as_secs()));
        for none in ["0", "-1", "1.5", "soon", "", "Fri, 20 Nov 2026 10:58:55 GMT"] {
            assert_eq!(pause(none), None, "{none}");
        }
        assert!(matches!(outcome_of(429, Some("7")), Err(DeliveryError::TransientAfter(..))));
        assert!(matches!(outcome_of(403, Some("7")), Err(DeliveryError::Transient(_))));
    }

    #[test]
    fn signature_matches_openssl() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        let want = "49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
        assert_eq!(signature(&key, 1_700_000_000, "{\"a\":1}"), format!("t=1700000000,v1={want}"));
    }

    #[test]
    fn names_are_percent_encoded_in_headers() {
        assert_eq!(quoted("0193-a/start/0"), "0193-a/start/0");
        assert_eq!(quoted("é 1%\n"), "%C3%A9%201%25%0A");
    }
}

//! Webhooks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use bytes::Bytes;
use refrain_stream::http::{HeaderName, HttpClient, HttpFailure, Question, Reach};
use url::Url;

use super::{Message, Sink, Undelivered};
use crate::delivery::plan::hexadecimal;
use crate::settings::Secret;

/// The receiver wants no more of this message.
const GONE: u16 = 410;

const CONTENT_TYPE: HeaderName = HeaderName::from_static("content-type");
/// Number of the message in the outbox: what `refrain outbox list` shows.
const DELIVERY: HeaderName = HeaderName::from_static("refrain-delivery");
const EVENT: HeaderName = HeaderName::from_static("refrain-event");
const SIGNATURE: HeaderName = HeaderName::from_static("refrain-signature");
/// The same for each try of a message (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// POSTs each message, signed.
pub(super) struct Webhook {
    client: HttpClient,
    url: Url,
    key: Option<hmac::Key>,
    timeout: Duration,
    reach: Reach,
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
        let reach = if allow_private { Reach::Private } else { Reach::Public };
        Self { client, url, key, timeout, reach }
    }

    fn question(&self, message: &Message) -> Question<'_> {
        let question = Question::new(&self.url, self.reach)
            .header(CONTENT_TYPE, "application/json")
            .header(DELIVERY, &message.id.to_string())
            .header(EVENT, &message.event)
            .header(IDEMPOTENCY_KEY, &quoted(&message.name));
        match &self.key {
            Some(key) => question.header(SIGNATURE, &signature(key, seconds(), &message.body)),
            None => question,
        }
    }

    /// Only the host: the rest of the URL is a secret of many receivers.
    fn host(&self) -> &str {
        self.url.host_str().unwrap_or("the webhook")
    }
}

#[async_trait]
impl Sink for Webhook {
    async fn deliver(&self, message: Message) -> Result<(), Undelivered> {
        let question = self.question(&message);
        let host = self.host();
        match self.client.post(question, Bytes::from(message.body), self.timeout).await {
            Ok(200..=299) => Ok(()),
            Ok(GONE) => Err(Undelivered::Refused(format!("{host}: status {GONE}, it wants this no more"))),
            Ok(status) => Err(Undelivered::Again(format!("{host}: status {status}"))),
            Err(error) => Err(Undelivered::Again(match error.reason {
                HttpFailure::Refused => format!(
                    "{host}: its address is private or reserved, and monitor.allow_private_addresses is not set"
                ),
                reason => format!("{host}: {reason}"),
            })),
        }
    }

    fn patience(&self) -> Duration {
        // The timeout of the request itself comes first, and says more.
        self.timeout + Duration::from_secs(5)
    }
}

/// `t=SECONDS,v1=HEX`, with HMAC-SHA256 (RFC 2104) over `SECONDS.BODY`.
fn signature(key: &hmac::Key, seconds: u64, body: &str) -> String {
    let tag = hmac::sign(key, format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hexadecimal(tag.as_ref()))
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A name as a header may carry it: whatever is no visible ASCII is percent-encoded.
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

    #[test]
    fn the_signature_is_golden() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        let want = "49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
        assert_eq!(signature(&key, 1_700_000_000, "{\"a\":1}"), format!("t=1700000000,v1={want}"));
    }

    #[test]
    fn names_become_header_values() {
        assert_eq!(quoted("0193-a/start/0"), "0193-a/start/0");
        assert_eq!(quoted("é 1%\n"), "%C3%A9%201%25%0A");
    }
}

//! Client of the moto server for tests and benches. It uses plain HTTP instead of the SDK.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::Moto;

/// Timeout of reading a response. Responses take milliseconds; the timeout is long, so that tests also pass on a busy
/// machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Returns an `authorization` header for `service`. moto reads the service from the header and does not check the
/// signature.
pub(super) fn signed(service: &str) -> String {
    format!(
        "authorization: AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, \
         SignedHeaders=host, Signature=none"
    )
}

/// Region of all buckets and queues.
const REGION: &str = "eu-west-1";

impl Moto {
    /// Creates a bucket.
    ///
    /// # Errors
    /// Fails if the server does not respond or rejects the request.
    pub fn make_bucket(&self, name: &str) -> io::Result<()> {
        let place = format!(
            "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
        );
        self.s3("PUT", &format!("/{name}"), place.as_bytes()).and_then(check_status)
    }

    /// Writes an object.
    ///
    /// # Errors
    /// As for [`Self::make_bucket`].
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) -> io::Result<()> {
        self.s3("PUT", &format!("/{bucket}/{}", percent_encoded(key)), bytes).and_then(check_status)
    }

    /// Reads an object. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// As for [`Self::make_bucket`].
    pub fn get(&self, bucket: &str, key: &str) -> io::Result<Option<Vec<u8>>> {
        let (status, body) = self.s3("GET", &format!("/{bucket}/{}", percent_encoded(key)), &[])?;
        if status == 404 {
            return Ok(None);
        }
        check_status((status, Vec::new()))?;
        Ok(Some(body))
    }

    /// Returns all keys of a bucket that start with `prefix`, in order.
    ///
    /// # Errors
    /// As for [`Self::make_bucket`].
    pub fn keys(&self, bucket: &str, prefix: &str) -> io::Result<Vec<String>> {
        let mut keys: Vec<String> = Vec::new();
        loop {
            let after =
                keys.last().map_or(String::new(), |last| format!("&start-after={}", percent_encoded(last)));
            let path = format!("/{bucket}?list-type=2&prefix={}{after}", percent_encoded(prefix));
            let (status, body) = self.s3("GET", &path, &[])?;
            check_status((status, Vec::new()))?;
            let text = String::from_utf8_lossy(&body);
            let key = |rest: &str| Some(rest.split_once("</Key>")?.0.replace("&amp;", "&"));
            let page: Vec<String> = text.split("<Key>").skip(1).filter_map(key).collect();
            // A page has at most 1,000 keys, so an empty page is the only sign of the end.
            if page.is_empty() {
                return Ok(keys);
            }
            keys.extend(page);
        }
    }

    /// Creates a queue and its dead-letter queue, to which a message is moved after three receipts. Returns the URLs of
    /// both queues. `hidden_seconds` is the visibility timeout in seconds.
    ///
    /// # Errors
    /// As for [`Self::make_bucket`].
    pub fn make_queue(&self, name: &str, hidden_seconds: u32) -> io::Result<(String, String)> {
        let make = |name: &str, attributes: Value| -> io::Result<String> {
            let made = self.sqs("CreateQueue", &json!({ "QueueName": name, "Attributes": attributes }))?;
            made["QueueUrl"].as_str().map(str::to_owned).ok_or_else(|| io::Error::other(made.to_string()))
        };
        let dead = format!("{name}-dead");
        let redrive = json!({ "maxReceiveCount": 3,
            "deadLetterTargetArn": format!("arn:aws:sqs:{REGION}:123456789012:{dead}") });
        let dead = make(&dead, json!({}))?;
        let hidden = hidden_seconds.to_string();
        let url = make(name, json!({ "VisibilityTimeout": hidden, "RedrivePolicy": redrive.to_string() }))?;
        Ok((url, dead))
    }

    /// Sends a message to the queue with the URL `queue`.
    ///
    /// # Errors
    /// As for [`Self::make_bucket`].
    pub fn send(&self, queue: &str, body: &str) -> io::Result<()> {
        self.sqs("SendMessage", &json!({ "QueueUrl": queue, "MessageBody": body })).map(drop)
    }

    /// Returns two numbers for the queue with the URL `queue`: the available messages, and the messages in flight.
    ///
    /// # Errors
    /// As for [`Self::make_bucket`].
    pub fn depth(&self, queue: &str) -> io::Result<(u64, u64)> {
        let attributes_response =
            self.sqs("GetQueueAttributes", &json!({ "QueueUrl": queue, "AttributeNames": ["All"] }))?;
        let number =
            |name: &str| attributes_response["Attributes"][name].as_str().and_then(|text| text.parse().ok());
        let depth =
            number("ApproximateNumberOfMessages").zip(number("ApproximateNumberOfMessagesNotVisible"));
        depth.ok_or_else(|| io::Error::other(attributes_response.to_string()))
    }

    fn sqs(&self, call: &str, request: &Value) -> io::Result<Value> {
        let target = format!("x-amz-target: AmazonSQS.{call}");
        let headers = [&signed("sqs"), &target, "content-type: application/x-amz-json-1.0"];
        let (status, body) = self.http("POST", "/", &headers, request.to_string().as_bytes())?;
        if status != 200 {
            return Err(io::Error::other(format!("{call}: {}", String::from_utf8_lossy(&body))));
        }
        // Some calls have an empty response.
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    fn s3(&self, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        self.http(method, path, &[&signed("s3"), "content-type: application/octet-stream"], body)
    }

    pub(super) fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &[u8],
    ) -> io::Result<(u16, Vec<u8>)> {
        let url = self.url();
        let host = url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut response = Vec::new();
        // The server closes the connection after the response, so the end of the connection is the end of the body.
        stream.read_to_end(&mut response)?;
        parsed(&response).ok_or_else(|| io::Error::other("invalid HTTP response"))
    }
}

fn parsed(response: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(response.get(..end)?);
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, response.get(end + 4..)?.to_vec()))
}

pub(super) fn check_status((status, body): (u16, Vec<u8>)) -> io::Result<()> {
    let why = || io::Error::other(format!("status {status}: {}", String::from_utf8_lossy(&body)));
    if status == 200 { Ok(()) } else { Err(why()) }
}

pub(super) fn percent_encoded(key: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    key.bytes().map(|b| if safe(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

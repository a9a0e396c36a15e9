//! Responses that moto does not send.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use refrain_service::cloud::{CloudErrorKind, ObjectName, Objects, Put, Queue, Topics};

use crate::setup::aws_at;

/// Starts a server that sends the same response to every request. Returns its URL.
fn start_fixed_server(status: &str, headers: &str, body: &str) -> String {
    let response = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            // Requests of these tests are short, so that one read receives them completely. Unread bytes would turn the
            // close into a connection reset.
            let _ = stream.read(&mut [0; 65536]);
            let _ = stream.write_all(response.as_bytes());
        }
    });
    url
}

#[tokio::test]
async fn signature_errors_do_not_expose_the_session_token() {
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>The request \
                signature does not match. The Canonical String was 'x-amz-security-token:session-secret'</Message>\
                </Error></ErrorResponse>";
    let url = start_fixed_server("403 Forbidden", "Content-Type: text/xml\r\n", body);
    let error = aws_at(&url).await.topics().publish("arn:aws:sns:a:1:songs", "x").await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Denied);
    let text = error.to_string();
    assert!(text.contains("SignatureDoesNotMatch") && text.contains("the credentials are wrong"), "{text}");
    assert!(!text.contains("session-secret"), "{text}");
}

#[tokio::test]
async fn denied_calls_name_the_missing_permission() {
    let body = "{\"__type\":\"com.amazonaws.sqs#AccessDeniedException\",\"message\":\"User: arn:aws:sts::1:me is not \
                authorized\"}";
    let url = start_fixed_server("403 Forbidden", "Content-Type: application/x-amz-json-1.0\r\n", body);
    let queue = aws_at(&url).await.queue(&format!("{url}/1/songs"));
    for (error, permission) in [
        (queue.receive(1, Duration::ZERO).await.unwrap_err(), "sqs:ReceiveMessage"),
        (queue.facts().await.unwrap_err(), "sqs:GetQueueAttributes"),
        (queue.delete(&["a".to_owned()]).await.unwrap_err(), "sqs:DeleteMessage"),
        (
            queue.change_visibility(&["a".to_owned()], Duration::ZERO).await.unwrap_err(),
            "sqs:ChangeMessageVisibility",
        ),
    ] {
        assert_eq!(error.kind(), CloudErrorKind::Denied);
        assert!(error.to_string().contains(permission), "{error}");
        assert!(error.to_string().contains("queue songs"), "{error}");
        assert!(error.to_string().contains("arn:aws:sts::1:me is not authorized"), "{error}");
    }
}

#[tokio::test]
async fn redirects_name_the_region_of_the_bucket() {
    let body = "<Error><Code>PermanentRedirect</Code><Message>Wrong endpoint.</Message></Error>";
    let url = start_fixed_server("301 Moved Permanently", "x-amz-bucket-region: us-west-2\r\n", body);
    let objects = aws_at(&url).await.objects();
    let error = objects.list("songs", "", None).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Invalid);
    assert!(error.to_string().contains("the bucket is in region us-west-2"), "{error}");
}

#[tokio::test]
async fn slow_down_responses_count_as_throttled() {
    let body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    let url = start_fixed_server("503 Slow Down", "", body);
    let object = ObjectName { bucket: "songs".into(), key: "a.json".into() };
    let objects = aws_at(&url).await.objects();
    let error = objects.write(&object, "{}".into(), "application/json", Put::New).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Throttled, "{error}");
    assert!(error.is_transient());
}

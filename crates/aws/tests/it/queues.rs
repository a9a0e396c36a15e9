//! Tests of the SQS client with moto.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use refrain_aws::SqsQueue;
use refrain_service::cloud::{CloudErrorKind, Queue, QueueMessage};

use crate::setup::{UNREACHABLE, aws, aws_at, new_queue, sqs};

const NOW: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_secs(3600);

async fn send(url: &str, bodies: &[String]) {
    for (start, bodies) in bodies.chunks(10).enumerate() {
        let entry = |(at, body): (usize, &String)| {
            let id = format!("{start}-{at}");
            SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
        };
        let entries = bodies.iter().enumerate().map(entry).collect();
        sqs().await.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await.unwrap();
    }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("message {number}")).collect()
}

/// Receives all available messages.
async fn receive_all(queue: &SqsQueue) -> Vec<QueueMessage> {
    let mut all = Vec::new();
    loop {
        let some = queue.receive(10, NOW).await.unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

fn receipts(messages: &[QueueMessage]) -> Vec<String> {
    messages.iter().map(|message| message.receipt.clone()).collect()
}

#[tokio::test]
async fn received_messages_have_time_and_receive_count() {
    let (url, _) = new_queue("known").await;
    let queue = aws().await.queue(&url);
    assert_eq!(queue.name(), "known");
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    send(&url, &["{\"song\": \"Ünï ♥\"}".to_owned()]).await;
    let first = queue.receive(1, NOW).await.unwrap().remove(0);
    assert_eq!((first.body.as_str(), first.receives), ("{\"song\": \"Ünï ♥\"}", 1));
    let sent_at = first.sent_at.unwrap();
    assert!((before - 1000..before + 60_000).contains(&sent_at), "{sent_at} is not about {before}");
    queue.change_visibility(&[first.receipt], NOW).await.unwrap();
    let again = queue.receive(1, NOW).await.unwrap().remove(0);
    assert_eq!((again.id, again.receives), (first.id, 2));
}

#[tokio::test]
async fn hidden_messages_are_invisible_until_released() {
    let (url, _) = new_queue("hidden").await;
    let queue = aws().await.queue(&url);
    send(&url, &numbered(13)).await;
    let taken = receipts(&receive_all(&queue).await);
    assert_eq!(taken.len(), 13);
    queue.change_visibility(&taken, HOUR).await.unwrap();
    let facts = queue.facts().await.unwrap();
    assert_eq!((facts.waiting, facts.in_flight, facts.visibility_timeout), (0, 13, Duration::from_secs(30)));
    assert_eq!((facts.dead_letter_queue, facts.max_receives), (None, None));
    queue.change_visibility(&taken, NOW).await.unwrap();
    assert_eq!(receive_all(&queue).await.len(), 13);
}

#[tokio::test]
async fn delete_accepts_any_number_of_receipts() {
    let (url, _) = new_queue("many").await;
    let queue = aws().await.queue(&url);
    send(&url, &numbered(25)).await;
    let taken = receive_all(&queue).await;
    let bodies: BTreeSet<_> = taken.iter().map(|message| message.body.clone()).collect();
    assert_eq!(bodies, numbered(25).into_iter().collect());
    queue.delete(&receipts(&taken)).await.unwrap();
    let facts = queue.facts().await.unwrap();
    assert_eq!((facts.waiting, facts.in_flight), (0, 0));
    queue.delete(&[]).await.unwrap();
}

#[tokio::test]
async fn invalid_receipts_are_reported_and_do_not_stop_other_deletions() {
    let (url, _) = new_queue("receipts").await;
    let queue = aws().await.queue(&url);
    send(&url, &numbered(12)).await;
    let mut taken = receipts(&receive_all(&queue).await);
    taken.insert(3, "no receipt".to_owned());
    let error = queue.delete(&taken).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot delete 1 of 13 messages of queue receipts: "), "{error}");
    assert_eq!(error.kind(), CloudErrorKind::Invalid);
    assert_eq!(queue.facts().await.unwrap().in_flight, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_end_when_a_message_arrives() {
    let (url, _) = new_queue("poll").await;
    let queue = aws().await.queue(&url);
    let poll = tokio::spawn(async move { queue.receive(10, Duration::from_secs(20)).await });
    // Gives the poll time to start. If it starts later, the test proves less but does not fail.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!poll.is_finished());
    send(&url, &["late".to_owned()]).await;
    let messages = poll.await.unwrap().unwrap();
    assert_eq!(messages[0].body, "late");
}

#[tokio::test]
async fn empty_polls_of_maximum_duration_succeed() {
    let (url, _) = new_queue("nothing").await;
    let queue = aws().await.queue(&url);
    assert_eq!(queue.receive(10, Duration::from_secs(20)).await.unwrap(), []);
}

async fn set_policy(url: &str, dead_letter_queue: &str) {
    let policy = format!("{{\"deadLetterTargetArn\":\"{dead_letter_queue}\",\"maxReceiveCount\":\"5\"}}");
    let call = sqs().await.set_queue_attributes().queue_url(url);
    call.attributes(QueueAttributeName::RedrivePolicy, policy).send().await.unwrap();
}

#[tokio::test]
async fn dead_lettered_messages_keep_their_reason() {
    let (url, _) = new_queue("work").await;
    let (dead_url, dead_arn) = new_queue("work-dead").await;
    set_policy(&url, &dead_arn).await;
    let queue = aws().await.queue(&url);
    let facts = queue.facts().await.unwrap();
    assert_eq!((facts.dead_letter_queue, facts.max_receives), (Some(dead_url.clone()), Some(5)));
    send(&url, &["{ broken".to_owned(), "whole".to_owned()]).await;
    let taken = receive_all(&queue).await;
    let broken = taken.iter().find(|message| message.body == "{ broken").unwrap();
    queue.dead_letter(broken, "no JSON:\nline 1\u{1} ends").await.unwrap();
    let facts = queue.facts().await.unwrap();
    assert_eq!((facts.waiting, facts.in_flight), (0, 1));
    let call = sqs().await.receive_message().queue_url(&dead_url).message_attribute_names("All");
    let dead = call.send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!(dead.body.unwrap(), "{ broken");
    let reason = dead.message_attributes.unwrap()["RefrainError"].string_value.clone();
    assert_eq!(reason.unwrap(), "no JSON: line 1  ends");
}

#[tokio::test]
async fn dead_lettering_fails_without_a_dead_letter_queue() {
    let (url, _) = new_queue("alone").await;
    let queue = aws().await.queue(&url);
    send(&url, &["{ broken".to_owned()]).await;
    let message = queue.receive(1, NOW).await.unwrap().remove(0);
    let error = queue.dead_letter(&message, "no JSON").await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::NotFound);
    assert!(error.to_string().contains("alone") && error.to_string().contains("redrive policy"), "{error}");
    assert_eq!(queue.facts().await.unwrap().in_flight, 1);
    // An operator adds the redrive policy while the service is running.
    let (_, dead_arn) = new_queue("alone-dead").await;
    set_policy(&url, &dead_arn).await;
    queue.dead_letter(&message, "").await.unwrap();
    assert_eq!(queue.facts().await.unwrap().in_flight, 0);
}

#[tokio::test]
async fn errors_name_missing_queues() {
    let (url, _) = new_queue("there").await;
    let queue = aws().await.queue(&url.replace("there", "elsewhere"));
    for error in [queue.receive(1, NOW).await.unwrap_err(), queue.facts().await.unwrap_err()] {
        assert_eq!(error.kind(), CloudErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("elsewhere"), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn unreachable_addresses_are_transient_errors() {
    let queue = aws_at(UNREACHABLE).await.queue(&format!("{UNREACHABLE}/123456789012/songs"));
    let error = queue.receive(1, NOW).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Unavailable);
    assert!(error.is_transient());
    assert!(error.to_string().starts_with("cannot read queue songs: not reachable: "), "{error}");
    let error = queue.delete(&numbered(11)).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Unavailable);
    assert!(error.to_string().contains("11 of 11"), "{error}");
}

#[tokio::test]
async fn access_check_keeps_all_messages() {
    let (url, _) = new_queue("access").await;
    let queue = aws().await.queue(&url);
    send(&url, &numbered(3)).await;
    queue.check_access().await.unwrap();
    let mut bodies: Vec<_> = receive_all(&queue).await.into_iter().map(|message| message.body).collect();
    bodies.sort();
    assert_eq!(bodies, numbered(3));
    let missing = aws().await.queue(&format!("{url}-missing"));
    assert_eq!(missing.check_access().await.unwrap_err().kind(), CloudErrorKind::NotFound);
}

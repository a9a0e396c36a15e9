//! Tests of the SNS client with moto.

use std::time::Duration;

use refrain_service::cloud::{CloudErrorKind, Queue, Topics};

use crate::setup::{aws, new_queue, sns};

#[tokio::test]
async fn subscribers_receive_published_messages() {
    let client = sns().await;
    let topic = client.create_topic().name("songs").send().await.unwrap().topic_arn.unwrap();
    let (url, arn) = new_queue("listener").await;
    let call = client.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn);
    call.attributes("RawMessageDelivery", "true").send().await.unwrap();
    let topics = aws().await.topics();
    topics.check_topic(&topic).await.unwrap();
    let song = "{\"stream\": \"one\", \"song\": \"Ünï ♥\", \"score\": 42}";
    topics.publish(&topic, song).await.unwrap();
    let messages = aws().await.queue(&url).receive(10, Duration::from_secs(5)).await.unwrap();
    assert_eq!(messages.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), [song]);
}

#[tokio::test]
async fn errors_name_missing_topics() {
    let topics = aws().await.topics();
    let topic = "arn:aws:sns:eu-west-1:123456789012:nobody";
    for error in [topics.publish(topic, "x").await.unwrap_err(), topics.check_topic(topic).await.unwrap_err()]
    {
        assert_eq!(error.kind(), CloudErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(topic), "{error}");
    }
    let error = topics.publish("no ARN", "x").await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
}

//! Shared setup: one moto server for all tests, and clients of it.

use std::sync::OnceLock;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use refrain_aws::{Aws, AwsSettings};
use refrain_testkit::Moto;

/// URL of a port on which no server listens.
pub(crate) const UNREACHABLE: &str = "http://127.0.0.1:1";

pub(crate) const REGION: &str = "eu-west-1";

/// Returns the URL of the moto server. It is started by the first call and ends with the test process.
pub(crate) fn moto() -> String {
    static MOTO: OnceLock<Moto> = OnceLock::new();
    MOTO.get_or_init(|| Moto::start().unwrap_or_else(|error| panic!("{error}"))).url()
}

/// Returns the SDK's configuration with one endpoint for all services. moto accepts any credentials.
pub(crate) async fn sdk(url: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("test", "test", Some("session-secret".into()), None, "test"))
        .load()
        .await
}

/// Returns clients of the server at this URL.
pub(crate) async fn aws_at(url: &str) -> Aws {
    Aws::new(&sdk(url).await, &AwsSettings::default())
}

/// Returns clients of the moto server.
pub(crate) async fn aws() -> Aws {
    aws_at(&moto()).await
}

/// Returns the SDK's client, for calls that the service never makes.
pub(crate) async fn s3() -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&sdk(&moto()).await).force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

pub(crate) async fn sqs() -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(&sdk(&moto()).await)
}

pub(crate) async fn sns() -> aws_sdk_sns::Client {
    aws_sdk_sns::Client::new(&sdk(&moto()).await)
}

/// Creates a queue. Returns its URL and its ARN.
pub(crate) async fn new_queue(name: &str) -> (String, String) {
    let client = sqs().await;
    let url = client.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap();
    let queue_arn = aws_sdk_sqs::types::QueueAttributeName::QueueArn;
    let attributes =
        client.get_queue_attributes().queue_url(&url).attribute_names(queue_arn.clone()).send().await;
    let arn = attributes.unwrap().attributes.unwrap()[&queue_arn].clone();
    (url, arn)
}

pub(crate) async fn new_bucket(name: &str) {
    use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
    let configuration =
        CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuWest1).build();
    s3().await.create_bucket().bucket(name).create_bucket_configuration(configuration).send().await.unwrap();
}

//! Connects the service to AWS. No other module of this crate depends on AWS.

use refrain_service::cloud::CloudServices;
use refrain_service::settings::{ServiceSettings, SinkKind};

use crate::settings::Settings;

/// The AWS resources that the settings require. Queues are given by URL, or `None` if this process does not read them.
/// The other fields are true if this process needs S3 objects, SNS topics or IVS channels.
#[derive(Debug, Default, PartialEq, Eq)]
struct RequiredResources {
    streams: Option<String>,
    medialive: Option<String>,
    check: Option<String>,
    index: Option<String>,
    objects: bool,
    topics: bool,
    channels: bool,
}

impl RequiredResources {
    fn new(settings: &Settings, service: &ServiceSettings) -> Self {
        let (queues, roles) = (settings.queues(), service.roles);
        let sinks = &service.outbox.sinks;
        // A queue is opened only if a role of this process reads it, so that other processes need no permission for the
        // queue.
        let streams = queues.streams.filter(|_| roles.monitor);
        Self {
            // An event of a stream names only its channel; the URL of the channel comes from the IVS API.
            channels: streams.is_some() || (roles.monitor && !service.streams.channels.is_empty()),
            streams,
            medialive: queues.medialive.filter(|_| roles.monitor),
            check: queues.check.filter(|_| roles.check),
            index: queues.index.filter(|_| roles.index),
            objects: roles.check
                || roles.index
                || sinks.iter().any(|sink| matches!(sink.kind, SinkKind::S3 { .. })),
            topics: sinks.iter().any(|sink| matches!(sink.kind, SinkKind::Sns { .. })),
        }
    }
}

/// Connects to the AWS resources that the settings require. If they require none, returns an empty [`CloudServices`]
/// without connecting.
#[cfg(feature = "aws")]
pub(crate) async fn cloud(settings: &Settings, service: &ServiceSettings) -> anyhow::Result<CloudServices> {
    use std::sync::Arc;

    use refrain_service::cloud::{Channels, Objects, Queue, Topics};

    let required = RequiredResources::new(settings, service);
    // If no AWS resource is required, the function does not connect, because outside of AWS the search for credentials
    // takes seconds.
    if required == RequiredResources::default() {
        return Ok(CloudServices::default());
    }
    let aws = connect(settings).await?;
    let queue = |url: Option<String>| url.map(|url| Arc::new(aws.queue(&url)) as Arc<dyn Queue>);
    Ok(CloudServices {
        streams: queue(required.streams),
        medialive: queue(required.medialive),
        check: queue(required.check),
        index: queue(required.index),
        objects: required.objects.then(|| Arc::new(aws.objects()) as Arc<dyn Objects>),
        topics: required.topics.then(|| Arc::new(aws.topics()) as Arc<dyn Topics>),
        channels: required
            .channels
            .then(|| Arc::new(aws.channels(service.streams.calls_per_second)) as Arc<dyn Channels>),
    })
}

#[cfg(feature = "aws")]
async fn connect(settings: &Settings) -> anyhow::Result<refrain_aws::Aws> {
    let table = settings.aws();
    let aws = refrain_aws::Aws::connect(&refrain_aws::AwsSettings {
        region: table.region,
        endpoint_url: table.endpoint_url,
        endpoint_url_s3: table.endpoint_url_s3,
        endpoint_url_sqs: table.endpoint_url_sqs,
        endpoint_url_sns: table.endpoint_url_sns,
        endpoint_url_ivs: table.endpoint_url_ivs,
        path_style: table.path_style,
    })
    .await;
    // Without this check, the first call of the SDK would fail with an error that names no setting.
    if aws.region().is_none() {
        anyhow::bail!("the AWS region is missing; set aws.region (REFRAIN_AWS_REGION) or AWS_REGION");
    }
    Ok(aws)
}

/// Variant for builds without AWS. Returns an empty [`CloudServices`], or an error if the settings require an AWS
/// resource. The service itself rejects roles whose queues are missing.
#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "as with AWS")]
pub(crate) async fn cloud(settings: &Settings, service: &ServiceSettings) -> anyhow::Result<CloudServices> {
    let required = RequiredResources::new(settings, service);
    let what = [
        ("queues.streams", required.streams.is_some()),
        ("queues.medialive", required.medialive.is_some()),
        ("queues.check", required.check.is_some()),
        ("queues.index", required.index.is_some()),
        // The roles check and index also require S3, but for them the message about their queue above is clearer.
        ("a sink of kind s3", required.objects && !(service.roles.check || service.roles.index)),
        ("a sink of kind sns", required.topics),
        ("ivs.channels", required.channels),
    ];
    match what.into_iter().find(|(_, required)| *required) {
        None => Ok(CloudServices::default()),
        Some((what, _)) => anyhow::bail!(
            "{what} needs AWS, but this refrain was built without AWS; remove it from the settings, or build refrain with \
             `cargo install --path crates/cli --features aws`"
        ),
    }
}

/// Connects to S3, for commands with `s3://` arguments.
#[cfg(feature = "aws")]
pub(crate) async fn objects(
    settings: &Settings,
) -> anyhow::Result<std::sync::Arc<dyn refrain_service::cloud::Objects>> {
    Ok(std::sync::Arc::new(connect(settings).await?.objects()))
}

/// Variant for builds without AWS: always returns an error.
#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "as with AWS")]
pub(crate) async fn objects(
    _: &Settings,
) -> anyhow::Result<std::sync::Arc<dyn refrain_service::cloud::Objects>> {
    anyhow::bail!(
        "s3:// needs AWS, but this refrain was built without AWS; build it with `cargo install --path crates/cli --features \
         aws`"
    )
}

//! What the service uses of AWS: the only place that knows of it.

use refrain_service::outside::Outside;
use refrain_service::settings::{ServiceSettings, SinkKind};

use crate::settings::Settings;

/// What of AWS the settings ask for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    streams: Option<String>,
    medialive: Option<String>,
    check: Option<String>,
    index: Option<String>,
    objects: bool,
    topics: bool,
    channels: bool,
}

impl Wanted {
    fn new(settings: &Settings, service: &ServiceSettings) -> Self {
        let (queues, roles) = (settings.queues(), service.roles);
        let sinks = &service.outbox.sinks;
        let streams = queues.streams.filter(|_| roles.monitor);
        Self {
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

/// What there is of the outside: what the settings name, and nothing where they name nothing of AWS.
#[cfg(feature = "aws")]
pub(crate) async fn outside(settings: &Settings, service: &ServiceSettings) -> anyhow::Result<Outside> {
    use std::sync::Arc;

    use refrain_service::outside::{Channels, Objects, Queue, Topics};

    let wanted = Wanted::new(settings, service);
    if wanted == Wanted::default() {
        return Ok(Outside::default());
    }
    let aws = connect(settings).await?;
    let queue = |url: Option<String>| url.map(|url| Arc::new(aws.queue(&url)) as Arc<dyn Queue>);
    Ok(Outside {
        streams: queue(wanted.streams),
        medialive: queue(wanted.medialive),
        check: queue(wanted.check),
        index: queue(wanted.index),
        objects: wanted.objects.then(|| Arc::new(aws.objects()) as Arc<dyn Objects>),
        topics: wanted.topics.then(|| Arc::new(aws.topics()) as Arc<dyn Topics>),
        channels: wanted
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
    if aws.region().is_none() {
        anyhow::bail!("no AWS region is known; set aws.region (REFRAIN_AWS_REGION) or AWS_REGION");
    }
    Ok(aws)
}

/// The same without AWS: nothing, and an error where the settings ask for more. Roles without their queues are refused
/// by the service itself.
#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "as with AWS")]
pub(crate) async fn outside(settings: &Settings, service: &ServiceSettings) -> anyhow::Result<Outside> {
    let wanted = Wanted::new(settings, service);
    let what = [
        ("queues.streams", wanted.streams.is_some()),
        ("queues.medialive", wanted.medialive.is_some()),
        ("queues.check", wanted.check.is_some()),
        ("queues.index", wanted.index.is_some()),
        ("a sink of kind s3", wanted.objects && !(service.roles.check || service.roles.index)),
        ("a sink of kind sns", wanted.topics),
        ("ivs.channels", wanted.channels),
    ];
    match what.into_iter().find(|(_, wanted)| *wanted) {
        None => Ok(Outside::default()),
        Some((what, _)) => anyhow::bail!(
            "{what} needs AWS, which this refrain was built without; take it out of the settings, or build it with \
             `--features aws`"
        ),
    }
}

/// Buckets, for commands that are given objects by hand.
#[cfg(feature = "aws")]
pub(crate) async fn objects(
    settings: &Settings,
) -> anyhow::Result<std::sync::Arc<dyn refrain_service::outside::Objects>> {
    Ok(std::sync::Arc::new(connect(settings).await?.objects()))
}

/// The same without AWS: an error.
#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "as with AWS")]
pub(crate) async fn objects(
    _: &Settings,
) -> anyhow::Result<std::sync::Arc<dyn refrain_service::outside::Objects>> {
    anyhow::bail!("s3:// needs AWS, which this refrain was built without; build it with `--features aws`")
}

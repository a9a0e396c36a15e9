//! What the service uses of AWS: the only place that knows of it.

use anyhow::{Result, bail};
use refrain_service::outside::Outside;
use refrain_service::settings::{ServiceSettings, SinkKind};

use crate::settings::Settings;

/// What there is of the outside: what the settings name, and nothing where they name nothing of AWS.
pub(crate) async fn outside(settings: &Settings, service: &ServiceSettings) -> Result<Outside> {
    match needed(settings, service) {
        None => Ok(Outside::default()),
        Some(what) => bail!(
            "{what} needs AWS, which this refrain was built without; take it out of the settings, or build it with `--features aws`"
        ),
    }
}

/// The first setting that needs AWS.
fn needed(settings: &Settings, service: &ServiceSettings) -> Option<String> {
    let queues = settings.aws().queues;
    let roles = service.roles;
    let queue = [
        ("queues.streams", queues.streams.is_some() && roles.monitor),
        ("queues.medialive", queues.medialive.is_some() && roles.monitor),
        ("queues.check", queues.check.is_some() && roles.check),
        ("queues.index", queues.index.is_some() && roles.index),
    ]
    .into_iter()
    .find_map(|(name, there)| there.then(|| name.to_owned()));
    let sink = || {
        let of_aws = |kind: &SinkKind| matches!(kind, SinkKind::S3 { .. } | SinkKind::Sns { .. });
        let sink = service.outbox.sinks.iter().find(|sink| of_aws(&sink.kind))?;
        Some(format!("the sink {:?}", sink.name))
    };
    queue.or_else(sink)
}

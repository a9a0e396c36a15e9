//! Checks of the resources that the service uses: outbox, queues, buckets, topics, channels, keys and sinks.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use refrain_catalog::{Backlog, SinkBacklog};
use refrain_service::cloud::{CloudServices, Queue, QueueFacts};
use refrain_service::settings::{Secret, ServiceSettings, SinkKind};
use refrain_service::streams::Signer;

use super::cache::nearest_existing;
use super::catalog::OpenCatalog;
use super::check::{Check, HealthReport};
use super::probe::{self, PROBE_TIMEOUT, call_result};
use super::quarantine;
use crate::aws;
use crate::settings::Settings;

/// Recommended minimum of the visibility timeout of a queue, which is also the default of SQS. The service extends the
/// timeout while it processes a message. With a shorter timeout, a busy machine can extend it too late, and the message
/// is then processed twice. A longer timeout delays the retry after a worker was killed.
const MIN_VISIBILITY_TIMEOUT: Duration = Duration::from_secs(30);

/// Checks the resources that the settings name for the service.
pub(super) fn add_checks(
    settings: &Settings,
    catalog: Option<&OpenCatalog>,
    report: &mut HealthReport<'_>,
) -> Result<()> {
    let service = match settings.service(None) {
        Ok(service) => service,
        Err(error) => return report.add(Check::error("service settings", &error)),
    };
    if let Some(OpenCatalog { context, .. }) = catalog {
        // Errors of these queries are ignored, because the check of the catalog has already reported errors of the
        // database.
        if let Ok(backlog) = context.wait(context.catalog().journal().backlog()) {
            outbox(backlog, report)?;
        }
        if let Ok(sinks) = context.wait(context.catalog().journal().sink_backlogs()) {
            let names: Vec<&str> = service.outbox.sinks.iter().map(|sink| sink.name.as_str()).collect();
            orphaned_messages(&sinks, &names).into_iter().try_for_each(|check| report.add(check))?;
        }
        quarantine::add_checks(context, report)?;
    }
    if let Some(key) = &service.streams.private_key {
        report.add(private_key(key, service.streams.token))?;
    }
    // A separate runtime is needed, because there is no `CommandContext` if the catalog could not be opened.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the network runtime")?;
    match runtime.block_on(aws::cloud(settings, &service)) {
        Ok(cloud) => {
            let checks = runtime.block_on(cloud_checks(&cloud, &service));
            checks.into_iter().try_for_each(|check| report.add(check))?;
        }
        Err(error) => report.add(Check::error("AWS", &error))?,
    }
    service
        .outbox
        .sinks
        .iter()
        .filter_map(|sink| check_local_sink(&sink.name, &sink.kind))
        .try_for_each(|check| report.add(check))
}

fn outbox(backlog: Backlog, report: &mut HealthReport<'_>) -> Result<()> {
    let found = format!("{} messages are waiting, {} are dead", backlog.waiting, backlog.dead);
    match backlog {
        Backlog { dead: 1.., .. } => report.add(Check::warning(
            "outbox",
            found,
            "`refrain outbox list` shows the errors, `refrain outbox retry` retries the deliveries",
        )),
        // Waiting messages are normal while no service runs, so they cause no warning.
        Backlog { waiting: 1.., .. } => report.add(Check::fine("outbox", found)),
        _ => Ok(()),
    }
}

/// Returns a warning if messages are waiting for sinks that are not in the settings.
fn orphaned_messages(sinks: &[SinkBacklog], configured: &[&str]) -> Option<Check> {
    let is_orphaned =
        |one: &&SinkBacklog| one.backlog.waiting > 0 && !configured.contains(&one.sink.as_str());
    let found: Vec<String> = sinks
        .iter()
        .filter(is_orphaned)
        .map(|one| format!("{} for {:?}", one.backlog.waiting, one.sink))
        .collect();
    (!found.is_empty()).then(|| {
        Check::warning(
            "outbox",
            format!("messages are waiting for sinks that are not in these settings: {}", found.join(", ")),
            "`refrain outbox drop SINK` deletes them, unless another process has the sink; they expire after 14 days",
        )
    })
}

fn private_key(key: &Secret, token: Duration) -> Check {
    const NAME: &str = "IVS private key";
    match Signer::new(key, token) {
        Ok(_) => Check::fine(NAME, "valid P-384 key"),
        Err(error) => Check::failing(
            NAME,
            error.to_string(),
            "use the private half of an IVS playback key pair, as PEM",
        ),
    }
}

/// Checks the AWS resources: queues, channels, buckets and topics.
async fn cloud_checks(cloud: &CloudServices, service: &ServiceSettings) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, queue) in [
        ("streams", &cloud.streams),
        ("medialive", &cloud.medialive),
        ("check", &cloud.check),
        ("index", &cloud.index),
    ] {
        if let Some(queue) = queue {
            checks.push(queue_check(name, &**queue).await);
        }
    }
    if let Some(channels) = &cloud.channels {
        checks.push(match call_result(channels.live()).await {
            Ok(live) => Check::fine("IVS", format!("{} streams are live", live.len())),
            Err(why) => Check::failing("IVS", why, "allow ivs:ListStreams, ivs:GetStream and ivs:GetChannel"),
        });
    }
    if let Some(objects) = &cloud.objects {
        checks.extend(probe::source_bucket(&**objects, &service.files, service.roles).await);
    }
    for sink in &service.outbox.sinks {
        match (&sink.kind, &cloud.objects, &cloud.topics) {
            (SinkKind::S3 { bucket, key }, Some(objects), _) => {
                checks.push(probe::sink_bucket(&**objects, &sink.name, bucket, key).await);
            }
            (SinkKind::Sns { topic }, _, Some(topics)) => checks.push(probe::topic(&**topics, topic).await),
            _ => {}
        }
    }
    checks
}

async fn queue_check(name: &str, queue: &dyn Queue) -> Check {
    let shown = format!("{name} ({})", queue.name());
    let tried = async {
        let facts = queue.facts().await?;
        queue.check_access().await?;
        Ok(facts)
    };
    match call_result(tried).await {
        Ok(facts) => queue_facts(&shown, &facts),
        Err(why) => Check::failing(
            "queue",
            format!("{shown}: {why}"),
            "check its URL; allow sqs:GetQueueAttributes, sqs:ReceiveMessage, sqs:DeleteMessage and \
             sqs:ChangeMessageVisibility, and sqs:SendMessage on its dead-letter queue",
        ),
    }
}

fn queue_facts(shown: &str, facts: &QueueFacts) -> Check {
    let seconds = facts.visibility_timeout.as_secs();
    let found = format!(
        "{shown}: {} waiting, {} in flight, visibility timeout {seconds} s",
        facts.waiting, facts.in_flight
    );
    match (&facts.dead_letter_queue, facts.max_receives) {
        (None, _) => Check::warning(
            "queue",
            format!("{found}, no dead-letter queue"),
            "give it a redrive policy with a dead-letter queue for messages that cannot be processed",
        ),
        _ if facts.visibility_timeout < MIN_VISIBILITY_TIMEOUT => Check::warning(
            "queue",
            found,
            "raise its visibility timeout to 30 s or more, so that messages are not received twice",
        ),
        (Some(dead), receives) => {
            let receives =
                receives.map_or_else(String::new, |receives| format!(" after {receives} receives"));
            Check::fine("queue", format!("{found}, dead-letter queue{receives}: {dead}"))
        }
    }
}

/// Checks a sink that is a folder or a webhook. Returns `None` for other sinks: those on AWS are checked separately,
/// and standard output needs no check.
fn check_local_sink(name: &str, kind: &SinkKind) -> Option<Check> {
    match kind {
        SinkKind::Folder { path, .. } => Some(folder(name, path)),
        SinkKind::Webhook { url, .. } => Some(webhook(name, url.expose())),
        SinkKind::S3 { .. } | SinkKind::Sns { .. } | SinkKind::Stdout => None,
    }
}

fn folder(name: &str, path: &Path) -> Check {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = format!("{name}: {}", absolute.display());
    // The sink creates missing folders, so the nearest existing one must be writable.
    let existing = nearest_existing(&absolute).unwrap_or_else(|| absolute.clone());
    match tempfile::Builder::new().prefix(".refrain-doctor-").tempfile_in(existing) {
        Ok(_) => Check::fine("sink", found),
        Err(error) => {
            Check::failing("sink", format!("{found}: {error}"), "allow writing to it, or use another folder")
        }
    }
}

/// Checks that the host of a webhook accepts TCP connections. No request is sent.
fn webhook(name: &str, url: &str) -> Check {
    // Messages contain only the host and the port, because the rest of the URL can contain a token.
    let host = url::Url::parse(url).ok().and_then(|url| {
        Some((url.host_str()?.trim_matches(['[', ']']).to_owned(), url.port_or_known_default()?))
    });
    let Some(host) = host else {
        return Check::failing("sink", format!("{name}: the URL has no host"), "correct the URL");
    };
    let shown = format!("{name}: {} port {}", host.0, host.1);
    let connected = host.to_socket_addrs().and_then(|mut all| {
        let none = || std::io::Error::other("the name has no address");
        // Only the first address is tried, because each attempt can take the whole timeout.
        TcpStream::connect_timeout(&all.next().ok_or_else(none)?, PROBE_TIMEOUT)
    });
    match connected {
        Ok(_) => Check::fine("sink", format!("{shown} accepts connections")),
        Err(error) => Check::failing(
            "sink",
            format!("{shown}: {error}"),
            "check the URL and the network path to the host",
        ),
    }
}

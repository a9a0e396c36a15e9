//! What the service needs of others: queues, buckets, topics, channels, sinks.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use refrain_catalog::{Backlog, SinkBacklog};
use refrain_service::outside::{Outside, Queue, QueueFacts};
use refrain_service::settings::{Secret, ServiceSettings, SinkKind};
use refrain_service::streams::Signer;

use super::cache::nearest;
use super::catalogue::Catalogue;
use super::check::{Check, Report};
use super::probe::{self, TIMEOUT, answer};
use super::quarantine;
use crate::aws;
use crate::settings::Settings;

/// A message that is hidden for a shorter time than this comes again while it is worked on, if the machine is busy.
const SHORTEST_HIDING: Duration = Duration::from_secs(30);

/// Looks at what the settings name for the service; at nothing where they name nothing.
pub(super) fn look(
    settings: &Settings,
    catalogue: Option<&Catalogue>,
    report: &mut Report<'_>,
) -> Result<()> {
    let service = match settings.service(None) {
        Ok(service) => service,
        Err(error) => return report.add(Check::error("service settings", &error)),
    };
    if let Some(Catalogue { store, .. }) = catalogue {
        // An error of this would be the catalogue's, which has been told.
        if let Ok(backlog) = store.wait(store.catalog().journal().backlog()) {
            outbox(backlog, report)?;
        }
        if let Ok(sinks) = store.wait(store.catalog().journal().backlogs()) {
            let names: Vec<&str> = service.outbox.sinks.iter().map(|sink| sink.name.as_str()).collect();
            strays(&sinks, &names).into_iter().try_for_each(|check| report.add(check))?;
        }
        quarantine::look(store, report)?;
    }
    if let Some(key) = &service.streams.private_key {
        report.add(private_key(key, service.streams.token))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot wait for the network")?;
    match runtime.block_on(aws::outside(settings, &service)) {
        Ok(outside) => {
            let checks = runtime.block_on(outside_checks(&outside, &service));
            checks.into_iter().try_for_each(|check| report.add(check))?;
        }
        Err(error) => report.add(Check::error("AWS", &error))?,
    }
    service
        .outbox
        .sinks
        .iter()
        .filter_map(|sink| here(&sink.name, &sink.kind))
        .try_for_each(|check| report.add(check))
}

fn outbox(backlog: Backlog, report: &mut Report<'_>) -> Result<()> {
    let found = format!("{} messages wait, {} were given up", backlog.waiting, backlog.dead);
    match backlog {
        Backlog { dead: 1.., .. } => report.add(Check::warning(
            "outbox",
            found,
            "`refrain outbox list` tells why, `refrain outbox retry` tries again",
        )),
        Backlog { waiting: 1.., .. } => report.add(Check::fine("outbox", found)),
        _ => Ok(()),
    }
}

/// Messages of sinks that are not in the settings.
fn strays(sinks: &[SinkBacklog], configured: &[&str]) -> Option<Check> {
    let stray = |one: &&SinkBacklog| one.backlog.waiting > 0 && !configured.contains(&one.sink.as_str());
    let found: Vec<String> =
        sinks.iter().filter(stray).map(|one| format!("{} for {:?}", one.backlog.waiting, one.sink)).collect();
    (!found.is_empty()).then(|| {
        Check::warning(
            "outbox",
            format!("messages wait for sinks that are not in these settings: {}", found.join(", ")),
            "`refrain outbox drop SINK` deletes them, unless another process has the sink; they expire after 14 days",
        )
    })
}

fn private_key(key: &Secret, token: Duration) -> Check {
    const NAME: &str = "IVS private key";
    match Signer::new(key, token) {
        Ok(_) => Check::fine(NAME, "is a key of P-384"),
        Err(error) => Check::failing(
            NAME,
            error.to_string(),
            "use the private half of an IVS playback key pair, as PEM",
        ),
    }
}

/// What others have for us.
async fn outside_checks(outside: &Outside, service: &ServiceSettings) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, queue) in [
        ("streams", &outside.streams),
        ("medialive", &outside.medialive),
        ("check", &outside.check),
        ("index", &outside.index),
    ] {
        if let Some(queue) = queue {
            checks.push(queue_check(name, &**queue).await);
        }
    }
    if let Some(channels) = &outside.channels {
        checks.push(match answer(channels.live()).await {
            Ok(live) => Check::fine("IVS", format!("{} streams are live", live.len())),
            Err(why) => Check::failing("IVS", why, "allow ivs:ListStreams, ivs:GetStream and ivs:GetChannel"),
        });
    }
    if let Some(objects) = &outside.objects {
        checks.extend(probe::source_bucket(&**objects, &service.files, service.roles).await);
    }
    for sink in &service.outbox.sinks {
        match (&sink.kind, &outside.objects, &outside.topics) {
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
    match answer(tried).await {
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
    let seconds = facts.hidden_for.as_secs();
    let found =
        format!("{shown}: {} wait, {} are worked on, hidden for {seconds} s", facts.waiting, facts.in_flight);
    match (&facts.dead_letters, facts.most_receives) {
        (None, _) => Check::warning(
            "queue",
            format!("{found}, no dead letters"),
            "give it a redrive policy: what nobody understands has nowhere to go",
        ),
        _ if facts.hidden_for < SHORTEST_HIDING => Check::warning(
            "queue",
            found,
            "raise its visibility timeout to 30 s or more, so that messages do not come twice",
        ),
        (Some(dead), most) => {
            let most = most.map_or_else(String::new, |most| format!(" after {most} tries"));
            Check::fine("queue", format!("{found}, dead letters{most} to {dead}"))
        }
    }
}

/// Sinks that need no AWS.
fn here(name: &str, kind: &SinkKind) -> Option<Check> {
    match kind {
        SinkKind::Folder { path, .. } => Some(folder(name, path)),
        SinkKind::Webhook { url, .. } => Some(webhook(name, url.expose())),
        SinkKind::S3 { .. } | SinkKind::Sns { .. } | SinkKind::Stdout => None,
    }
}

fn folder(name: &str, path: &Path) -> Check {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = format!("{name}: {}", absolute.display());
    let there = nearest(&absolute).unwrap_or_else(|| absolute.clone());
    match tempfile::Builder::new().prefix(".refrain-doctor-").tempfile_in(there) {
        Ok(_) => Check::fine("sink", found),
        Err(error) => {
            Check::failing("sink", format!("{found}: {error}"), "allow writing to it, or name another one")
        }
    }
}

/// Whether somebody listens; nothing is posted.
fn webhook(name: &str, url: &str) -> Check {
    // No more of the URL than that is shown: it may hold a token.
    let host = url::Url::parse(url).ok().and_then(|url| {
        Some((url.host_str()?.trim_matches(['[', ']']).to_owned(), url.port_or_known_default()?))
    });
    let Some(host) = host else {
        return Check::failing("sink", format!("{name}: its URL names no host"), "correct it");
    };
    let shown = format!("{name}: {} port {}", host.0, host.1);
    let connected = host.to_socket_addrs().and_then(|mut all| {
        let none = || std::io::Error::other("its name leads nowhere");
        TcpStream::connect_timeout(&all.next().ok_or_else(none)?, TIMEOUT)
    });
    match connected {
        Ok(_) => Check::fine("sink", format!("{shown} answers")),
        Err(error) => Check::failing(
            "sink",
            format!("{shown}: {error}"),
            "check its URL, and the way through the network",
        ),
    }
}

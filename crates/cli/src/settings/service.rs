//! Creates the checked settings of the service, which `docs/service.toml` documents.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use refrain_monitor::{EventKind, HealthThresholds, MonitorSettings, SourceSettings};
use refrain_net::RequestHeaders;
use refrain_service::settings::{
    EmfSettings, FilesSettings, HttpServiceSettings, OutboxSettings, RetentionSettings, Roles,
    ServiceSettings, StreamsSettings,
};
use refrain_stream::hls::HlsSettings;

use super::declare::{Checked, Declared};
use super::layer::Layer;
use super::secret::secret;
use super::stream_entries::{fixed_streams, health, stream_headers};
#[cfg(feature = "aws")]
use super::tables::AwsTable;
use super::tables::{EventSetting, QueuesTable, Role, ServiceTable};
use super::{LogSettings, Settings};

/// Bytes per gigabyte (GB), the unit of sizes in settings.
const BYTES_PER_GB: f64 = 1e9;

/// Maximum length of the ID of a stream, in characters.
pub(crate) const MAX_ID_CHARS: usize = 200;

const SECONDS_PER_HOUR: u64 = 60 * 60;

const SECONDS_PER_DAY: u64 = 24 * SECONDS_PER_HOUR;

impl Settings {
    /// Checks the settings of the service and returns them. If `roles` is `Some`, it overrides the roles from other
    /// sources.
    pub(crate) fn service(&self, roles: Option<&[Role]>) -> Result<ServiceSettings> {
        let layer = &self.layer;
        let sinks = layer.sink_variables.check(&layer.sinks)?;
        let mut table = layer.service.clone();
        if let Some(roles) = roles {
            table.roles = Some(roles.to_vec());
        }
        let (service, outbox, keep) = (table.checked()?, layer.outbox.checked()?, layer.keep.checked()?);
        Ok(ServiceSettings {
            roles: self.roles(table.roles.as_deref())?,
            name: table.name.clone().unwrap_or_else(default_name),
            drain: seconds(service.drain_seconds()),
            streams: self.streams(&service)?,
            files: self.files()?,
            outbox: OutboxSettings {
                sinks,
                max_pause: seconds(outbox.longest_pause_seconds()),
                give_up: Duration::from_secs(SECONDS_PER_HOUR * u64::from(outbox.give_up_hours())),
                parallel: outbox.parallel() as usize,
                http: self.http_client()?,
            },
            retention: RetentionSettings {
                detections: days(keep.detections_days()),
                deliveries: days(keep.deliveries_days()),
            },
            http: self.http()?,
            emf: emf(layer)?,
        })
    }

    /// Returns the address of the HTTP server, and the bearer token that requests to the API must carry.
    pub(crate) fn http(&self) -> Result<HttpServiceSettings> {
        let table = &self.layer.http;
        Ok(HttpServiceSettings {
            listen: self.listen()?,
            api_token: secret(
                "REFRAIN_HTTP_API_TOKEN",
                table.api_token.as_ref(),
                table.api_token_file.as_deref(),
            )?,
        })
    }

    /// Returns the address and port of the HTTP server, or `None` if the setting is empty and there is no server.
    pub(crate) fn listen(&self) -> Result<Option<SocketAddr>> {
        match self.layer.http.checked()?.listen().as_str() {
            "" => Ok(None),
            text => Ok(Some(text.parse().ok().with_context(|| {
                format!("http.listen is {text:?}; use an address and a port, for example 127.0.0.1:8080")
            })?)),
        }
    }

    /// Returns the settings of the table `[aws]` as they were written, without checks.
    #[cfg(feature = "aws")]
    pub(crate) fn aws(&self) -> AwsTable {
        self.layer.aws.clone()
    }

    /// Returns the URLs of the queues. A queue that is not set is `None`.
    pub(crate) fn queues(&self) -> QueuesTable {
        self.layer.queues.clone()
    }

    /// Returns the settings of the log, or an error if a level is invalid.
    pub(crate) fn log(&self) -> Result<LogSettings> {
        let table = self.layer.log.checked()?;
        LogSettings::new(table.json(), &table.level())
    }

    /// Returns the request headers of the entry of `[[streams]]` with this URL; no headers if there is no such entry.
    pub(crate) fn headers_of(&self, url: &str) -> Result<RequestHeaders> {
        match self.layer.streams.iter().find(|stream| stream.url.0 == url) {
            Some(stream) => stream_headers(stream).with_context(|| format!("stream {:?}", stream.id)),
            None => Ok(RequestHeaders::default()),
        }
    }

    /// Returns the thresholds of the alerts about the audio of the stream with this URL.
    pub(crate) fn health_of(&self, url: &str) -> Result<HealthThresholds> {
        let stream = self.layer.streams.iter().find(|stream| stream.url.0 == url);
        health(&self.layer, stream.and_then(|stream| stream.health.as_ref()))
    }

    fn streams(&self, service: &Checked<'_, ServiceTable>) -> Result<StreamsSettings> {
        let layer = &self.layer;
        let (monitor, ivs) = (layer.monitor.checked()?, layer.ivs.checked()?);
        let mut live = self.live();
        live.update_seconds = Some(monitor.update_seconds().into());
        let private_hosts = self.private_hosts()?;
        let allow_private = monitor.allow_private_addresses();
        let hls = HlsSettings { allow_private, private_hosts, ..HlsSettings::default() };
        Ok(StreamsSettings {
            capacity: service.capacity(),
            lease: seconds(service.lease_seconds()),
            monitor: MonitorSettings {
                threads: Some(self.jobs),
                live,
                source: SourceSettings { hls, ..SourceSettings::default() },
                http: self.http_client()?,
                health: health(layer, None)?,
                ..MonitorSettings::default()
            },
            alerts: monitor.events().contains(&EventSetting::Alert),
            events: monitor.events().into_iter().filter_map(kind).collect(),
            channels: ivs.table().channels.clone().unwrap_or_default(),
            reconcile: Some(seconds(ivs.reconcile_seconds())).filter(|interval| !interval.is_zero()),
            private_key: secret(
                "REFRAIN_IVS_PRIVATE_KEY",
                ivs.table().private_key.as_ref(),
                ivs.table().private_key_file.as_deref(),
            )?,
            token: seconds(ivs.token_seconds()),
            calls_per_second: ivs.calls_per_second(),
            medialive: medialive(layer)?,
            fixed: fixed_streams(layer)?,
        })
    }

    /// Returns the roles of the process. If `named` is `None`, these are the role monitor, and all other roles whose
    /// queue or address is set.
    fn roles(&self, named: Option<&[Role]>) -> Result<Roles> {
        let queues = &self.layer.queues;
        let Some(named) = named else {
            return Ok(Roles {
                monitor: true,
                check: queues.check.is_some(),
                index: queues.index.is_some(),
                api: self.listen()?.is_some(),
            });
        };
        let has = |role| named.contains(&role);
        Ok(Roles {
            monitor: has(Role::Monitor),
            check: has(Role::Check),
            index: has(Role::Index),
            api: has(Role::Api),
        })
    }

    fn files(&self) -> Result<FilesSettings> {
        let bucket = self.layer.bucket.checked()?;
        Ok(FilesSettings {
            source: bucket.table().source.clone(),
            index_prefix: bucket.index_prefix(),
            check_prefix: bucket.check_prefix(),
            streams_prefix: bucket.streams_prefix(),
            name_modifier: bucket.name_modifier(),
            max_object_bytes: (bucket.largest_object_gb() * BYTES_PER_GB).round() as u64,
            segment_wait: seconds(bucket.segment_wait_seconds()),
            stream_end: seconds(bucket.stream_end_seconds()),
            jobs: self.jobs,
            matching: self.matching(),
        })
    }
}

/// Returns the kind of event of a song; `None` for alerts.
fn kind(event: EventSetting) -> Option<EventKind> {
    match event {
        EventSetting::Start => Some(EventKind::Start),
        EventSetting::Update => Some(EventKind::Update),
        EventSetting::Final => Some(EventKind::Final),
        EventSetting::Alert => None,
    }
}

fn medialive(layer: &Layer) -> Result<BTreeMap<String, String>> {
    let channel = |(arn, url): (&String, &super::tables::SecretText)| {
        check_url(&url.0).with_context(|| format!("medialive.channels {arn:?}"))?;
        Ok((arn.clone(), url.0.clone()))
    };
    layer.medialive.channels.iter().map(channel).collect()
}

/// Returns an error if the ID of a stream is empty or too long.
pub(crate) fn check_id(id: &str) -> Result<()> {
    if !(1..=MAX_ID_CHARS).contains(&id.chars().count()) {
        bail!("a stream's id is {id:?}; use 1 to {MAX_ID_CHARS} characters");
    }
    Ok(())
}

/// Returns an error if the URL of a stream does not have the scheme http, https or udp. The error does not contain the
/// URL, because the URL can contain a token.
pub(crate) fn check_url(url: &str) -> Result<()> {
    let known = ["http://", "https://", "udp://"];
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    if !known.iter().any(|scheme| lower.starts_with(scheme)) {
        bail!("the URL of the stream has an unsupported scheme; use http, https or udp");
    }
    Ok(())
}

fn emf(layer: &Layer) -> Result<Option<EmfSettings>> {
    let table = layer.metrics.checked()?;
    let settings = EmfSettings {
        namespace: table.namespace(),
        service: table.service(),
        interval: seconds(table.interval_seconds()),
        per_channel: table.per_channel(),
    };
    Ok(table.emf().then_some(settings))
}

/// Returns the default name of the process: the host name, a hyphen, and eight random characters that make it unique.
fn default_name() -> String {
    let random = uuid::Uuid::now_v7().simple().to_string();
    // A UUID of version 7 begins with the time. Its last digits are random.
    let random = random.get(24..).unwrap_or_default();
    format!("{}-{random}", host())
}

#[cfg(unix)]
fn host() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    host.chars().take(90).collect()
}

#[cfg(not(unix))]
fn host() -> String {
    "refrain".to_owned()
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// Converts a number of days to a duration. Returns `None` for 0, which disables the retention limit.
fn days(days: u32) -> Option<Duration> {
    (days > 0).then(|| Duration::from_secs(SECONDS_PER_DAY * u64::from(days)))
}

//! The checked settings of the service, which are documented in `docs/service.toml`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use refrain_monitor::{EventKind, MonitorSettings, SourceSettings};
use refrain_service::settings::{
    EmfSettings, FilesSettings, HttpServiceSettings, OutboxSettings, RetentionSettings, Roles,
    ServiceSettings, StreamsSettings,
};
use refrain_stream::hls::HlsSettings;

use super::layer::Layer;
use super::secret::secret;
#[cfg(feature = "aws")]
use super::tables::AwsTable;
use super::tables::{EventSetting, QueuesTable, Role};
use super::{LogSettings, Settings};

/// Bytes per GB.
const BYTES_PER_GB: f64 = 1e9;

/// Maximum length of the ID of a stream in characters.
pub(crate) const MAX_ID_CHARS: usize = 200;

const SECONDS_PER_HOUR: u64 = 60 * 60;

const SECONDS_PER_DAY: u64 = 24 * SECONDS_PER_HOUR;

impl Settings {
    /// Checks and returns the settings of the service. `roles` overrides the roles from other sources.
    pub(crate) fn service(&self, roles: Option<&[Role]>) -> Result<ServiceSettings> {
        let layer = &self.layer;
        let table = &layer.service;
        let sinks = layer.sink_variables.check(&layer.sinks)?;
        Ok(ServiceSettings {
            roles: self.roles(roles.or(table.roles.as_deref()))?,
            name: name(table.name.as_deref())?,
            drain: seconds("service.drain_seconds", table.drain_seconds, 25, 1, 110)?,
            streams: self.streams()?,
            files: self.files()?,
            outbox: OutboxSettings {
                sinks,
                max_pause: seconds(
                    "outbox.longest_pause_seconds",
                    layer.outbox.longest_pause_seconds,
                    300,
                    1,
                    86_400,
                )?,
                give_up: Duration::from_secs(
                    SECONDS_PER_HOUR
                        * u64::from(within("outbox.give_up_hours", layer.outbox.give_up_hours, 72, 1, 720)?),
                ),
                parallel: within("outbox.parallel", layer.outbox.parallel, 16, 1, 256)? as usize,
            },
            retention: RetentionSettings {
                detections: days("keep.detections_days", layer.keep.detections_days, 0)?,
                deliveries: days("keep.deliveries_days", layer.keep.deliveries_days, 7)?,
            },
            http: self.http()?,
            emf: emf(layer)?,
        })
    }

    /// Returns the address of the HTTP server and the bearer token of the API.
    pub(crate) fn http(&self) -> Result<HttpServiceSettings> {
        let table = &self.layer.http;
        Ok(HttpServiceSettings {
            listen: self.listen()?,
            api_token: secret(
                "REFRAIN_HTTP_API_TOKEN",
                self.layer.secrets.http_api_token.as_ref(),
                table.api_token_file.as_deref(),
            )?,
        })
    }

    /// Returns the address and port of the HTTP server, or `None` if it is disabled.
    pub(crate) fn listen(&self) -> Result<Option<SocketAddr>> {
        match self.layer.http.listen.as_deref().unwrap_or("127.0.0.1:8080") {
            "" => Ok(None),
            text => Ok(Some(text.parse().ok().with_context(|| {
                format!("http.listen is {text:?}; use an address and a port, for example 127.0.0.1:8080")
            })?)),
        }
    }

    /// Returns the unchecked settings of AWS.
    #[cfg(feature = "aws")]
    pub(crate) fn aws(&self) -> AwsTable {
        self.layer.aws.clone()
    }

    /// Returns the URLs of the queues.
    pub(crate) fn queues(&self) -> QueuesTable {
        self.layer.queues.clone()
    }

    /// Returns the settings of the log.
    pub(crate) fn log(&self) -> Result<LogSettings> {
        let table = &self.layer.log;
        LogSettings::new(table.json.unwrap_or(false), table.level.as_deref().unwrap_or("info"))
    }

    fn streams(&self) -> Result<StreamsSettings> {
        let (layer, ivs) = (&self.layer, &self.layer.ivs);
        let mut live = self.live();
        let update = within("monitor.update_seconds", layer.monitor.update_seconds, 30, 5, 3_600)?;
        live.update_seconds = Some(update.into());
        let allow_private = layer.monitor.allow_private_addresses.unwrap_or(false);
        let private_hosts = self.private_hosts()?;
        let hls = HlsSettings { allow_private, private_hosts, ..HlsSettings::default() };
        let events = layer.monitor.events.as_deref().unwrap_or(&[EventSetting::Start, EventSetting::Final]);
        Ok(StreamsSettings {
            capacity: within("service.capacity", layer.service.capacity, 200, 0, 5_000)?,
            lease: seconds("service.lease_seconds", layer.service.lease_seconds, 10, 3, 60)?,
            monitor: MonitorSettings {
                threads: Some(self.jobs),
                live,
                source: SourceSettings { hls, ..SourceSettings::default() },
                ..MonitorSettings::default()
            },
            events: events.iter().map(|&event| kind(event)).collect(),
            channels: ivs.channels.clone().unwrap_or_default(),
            reconcile: match ivs.reconcile_seconds {
                Some(0) => None,
                configured => Some(seconds("ivs.reconcile_seconds", configured, 180, 30, 3_600)?),
            },
            private_key: secret(
                "REFRAIN_IVS_PRIVATE_KEY",
                layer.secrets.ivs_private_key.as_ref(),
                ivs.private_key_file.as_deref(),
            )?,
            token: seconds("ivs.token_seconds", ivs.token_seconds, 300, 30, 86_400)?,
            calls_per_second: number("ivs.calls_per_second", ivs.calls_per_second, 3.0, 0.1, 100.0)?,
            medialive: medialive(layer)?,
            fixed: fixed(layer)?,
        })
    }

    /// Returns the roles that are named, or by default all roles whose queue or address is set.
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
        if named.is_empty() {
            bail!("service.roles is empty; use one or more of monitor, check, index and api");
        }
        let has = |role| named.contains(&role);
        Ok(Roles {
            monitor: has(Role::Monitor),
            check: has(Role::Check),
            index: has(Role::Index),
            api: has(Role::Api),
        })
    }

    fn files(&self) -> Result<FilesSettings> {
        let table = &self.layer.bucket;
        let prefix = |configured: &Option<String>, default: &str| {
            configured.clone().unwrap_or_else(|| default.to_owned())
        };
        let largest = number("bucket.largest_object_gb", table.largest_object_gb, 50.0, 0.001, 5_000.0)?;
        Ok(FilesSettings {
            source: table.source.clone(),
            index_prefix: prefix(&table.index_prefix, "songs_to_index/"),
            check_prefix: prefix(&table.check_prefix, "songs_to_check/"),
            streams_prefix: prefix(&table.streams_prefix, "songs_to_check/streams/"),
            name_modifier: table.name_modifier.clone().unwrap_or_default(),
            max_object_bytes: (largest * BYTES_PER_GB).round() as u64,
            segment_wait: seconds("bucket.segment_wait_seconds", table.segment_wait_seconds, 60, 0, 3_600)?,
            stream_end: seconds("bucket.stream_end_seconds", table.stream_end_seconds, 300, 10, 86_400)?,
            jobs: self.jobs,
            matching: self.matching(),
        })
    }
}

fn kind(event: EventSetting) -> EventKind {
    match event {
        EventSetting::Start => EventKind::Start,
        EventSetting::Update => EventKind::Update,
        EventSetting::Final => EventKind::Final,
    }
}

fn medialive(layer: &Layer) -> Result<std::collections::BTreeMap<String, String>> {
    let channel = |(arn, url): (&String, &super::tables::SecretText)| {
        check_url(&url.0).with_context(|| format!("medialive.channels {arn:?}"))?;
        Ok((arn.clone(), url.0.clone()))
    };
    layer.medialive.channels.iter().map(channel).collect()
}

fn fixed(layer: &Layer) -> Result<Vec<(String, String)>> {
    let mut fixed: Vec<(String, String)> = Vec::new();
    for stream in &layer.streams {
        check_id(&stream.id)?;
        check_url(&stream.url.0).with_context(|| format!("stream {:?}", stream.id))?;
        if fixed.iter().any(|(id, _)| *id == stream.id) {
            bail!("two entries of [[streams]] have the id {:?}; use different ids", stream.id);
        }
        fixed.push((stream.id.clone(), stream.url.0.clone()));
    }
    Ok(fixed)
}

/// Returns an error if an ID of a stream has an invalid length.
pub(crate) fn check_id(id: &str) -> Result<()> {
    if !(1..=MAX_ID_CHARS).contains(&id.chars().count()) {
        bail!("a stream's id is {id:?}; use 1 to {MAX_ID_CHARS} characters");
    }
    Ok(())
}

/// Returns an error if a URL of a stream has an unsupported scheme. The error does not quote the URL, which can have a token.
pub(crate) fn check_url(url: &str) -> Result<()> {
    let known = ["http://", "https://", "udp://"];
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    if !known.iter().any(|scheme| lower.starts_with(scheme)) {
        bail!("the URL of the stream is neither http, https nor udp");
    }
    Ok(())
}

fn emf(layer: &Layer) -> Result<Option<EmfSettings>> {
    let table = &layer.metrics;
    let text = |name: &str, value: &Option<String>, default: &str| {
        let value = value.clone().unwrap_or_else(|| default.to_owned());
        match value.chars().count() {
            1..=255 => Ok(value),
            _ => bail!("{name} is {value:?}; use 1 to 255 characters"),
        }
    };
    let settings = EmfSettings {
        namespace: text("metrics.namespace", &table.namespace, "Refrain")?,
        service: text("metrics.service", &table.service, "refrain")?,
        interval: seconds("metrics.interval_seconds", table.interval_seconds, 60, 10, 300)?,
        per_channel: table.per_channel.unwrap_or(false),
    };
    Ok(table.emf.unwrap_or(false).then_some(settings))
}

/// Returns the given name, or the host name with eight random characters, so that two processes have different names.
fn name(configured: Option<&str>) -> Result<String> {
    let Some(name) = configured else {
        let random = uuid::Uuid::now_v7().simple().to_string();
        // The first part of a UUID of version 7 is the time, the last part is random.
        let random = random.get(24..).unwrap_or_default();
        return Ok(format!("{}-{random}", host()));
    };
    match name.chars().count() {
        1..=100 => Ok(name.to_owned()),
        _ => bail!("service.name is {name:?}; use 1 to 100 characters"),
    }
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

/// Returns the value, or the default `default` if it is missing. A value outside of `min..=max` is an error.
pub(super) fn within(name: &str, value: Option<u32>, default: u32, min: u32, max: u32) -> Result<u32> {
    let value = value.unwrap_or(default);
    if !(min..=max).contains(&value) {
        bail!("{name} is {value}; use {min} to {max}");
    }
    Ok(value)
}

fn number(name: &str, value: Option<f64>, default: f64, min: f64, max: f64) -> Result<f64> {
    let value = value.unwrap_or(default);
    if !(min..=max).contains(&value) {
        bail!("{name} is {value}; use {min} to {max}");
    }
    Ok(value)
}

fn seconds(name: &str, value: Option<u32>, default: u32, min: u32, max: u32) -> Result<Duration> {
    Ok(Duration::from_secs(within(name, value, default, min, max)?.into()))
}

fn days(name: &str, value: Option<u32>, default: u32) -> Result<Option<Duration>> {
    let days = within(name, value, default, 0, 36_500)?;
    Ok((days > 0).then(|| Duration::from_secs(SECONDS_PER_DAY * u64::from(days))))
}

//! Sinks from the settings file and from environment variables. Variables can define one sink of each kind.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use refrain_service::delivery::{DEFAULT_KEY, KeyTemplate};
use refrain_service::settings::{DetectionOrigin, Secret, SinkFormat, SinkKind, SinkSettings};

use super::secret::secret;
use super::service::within;
use super::tables::{SecretText, SinkKindName, SinkTable};
use super::variable::from_variable;

/// Maximum length of the name of a sink in characters.
const MAX_NAME_CHARS: usize = 40;

/// Default timeout of a webhook in seconds.
const DEFAULT_TIMEOUT_SECONDS: u32 = 10;

/// Settings of sinks from environment variables.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct SinkVariables {
    sinks: BTreeMap<SinkKindName, SinkTable>,
    /// Value of `REFRAIN_SINK_STDOUT`.
    stdout: Option<bool>,
    /// Value of `REFRAIN_SINK_WEBHOOK_SECRET`.
    secret: Option<SecretText>,
    /// `STREAM_IDENTIFICATIONS_BUCKET`, which is used if no sink has a bucket.
    pub(super) bucket: Option<String>,
}

/// The kinds of sinks with their names and the keys that have variables.
const KINDS: [(SinkKindName, &str, &[&str]); 5] = [
    (SinkKindName::S3, "s3", &["bucket", "key", "from"]),
    (SinkKindName::Sns, "sns", &["topic", "format", "from"]),
    (
        SinkKindName::Webhook,
        "webhook",
        &["url", "secret_file", "timeout_seconds", "allow_private", "format", "from"],
    ),
    (SinkKindName::Folder, "folder", &["path", "key", "from"]),
    (SinkKindName::Stdout, "stdout", &["format", "from"]),
];

/// Returns all variables of sinks, without `REFRAIN_SINK_`.
pub(super) fn known() -> Vec<String> {
    let of = |&(_, kind, keys): &(SinkKindName, &str, &[&str])| -> Vec<String> {
        keys.iter().map(|key| format!("{kind}_{key}").to_uppercase()).collect()
    };
    let mut known: Vec<String> = KINDS.iter().flat_map(of).collect();
    known.extend(["STDOUT".to_owned(), "WEBHOOK_SECRET".to_owned()]);
    known
}

impl SinkVariables {
    /// Sets a key from its variable. `key` is the lower-case rest of the name after `REFRAIN_SINK_`. Returns false if it is
    /// unknown.
    pub(super) fn set(&mut self, key: &str, variable: &str, value: &OsStr) -> Result<bool> {
        match key {
            "stdout" => {
                self.stdout = Some(from_variable(variable, value)?);
                return Ok(true);
            }
            "webhook_secret" => {
                self.secret = Some(from_variable(variable, value)?);
                return Ok(true);
            }
            _ => {}
        }
        for (kind, kind_name, keys) in KINDS {
            let rest = key.strip_prefix(kind_name).and_then(|key| key.strip_prefix('_'));
            if let Some(key) = rest.filter(|key| keys.contains(key)) {
                return self.sinks.entry(kind).or_default().set(key, variable, value);
            }
        }
        Ok(false)
    }

    /// Returns this layer with missing settings taken from the layer `below`.
    pub(super) fn with_fallback(mut self, below: Self) -> Self {
        for (kind, table) in below.sinks {
            let above = self.sinks.remove(&kind).unwrap_or_default();
            self.sinks.insert(kind, above.with_fallback(table));
        }
        Self {
            sinks: self.sinks,
            stdout: self.stdout.or(below.stdout),
            secret: self.secret.or(below.secret),
            bucket: self.bucket.or(below.bucket),
        }
    }

    /// Returns the sinks of the file, overridden and supplemented by these variables.
    fn merged_with_file(&self, file: &[SinkTable]) -> Vec<SinkTable> {
        let mut all = file.to_vec();
        for sink in &mut all {
            if sink.name.is_none() {
                sink.name = sink.kind.map(|kind| kind_name(kind).to_owned());
            }
        }
        let mut variables = self.sinks.clone();
        match self.stdout {
            Some(true) => drop(variables.entry(SinkKindName::Stdout).or_default()),
            Some(false) => {
                variables.remove(&SinkKindName::Stdout);
                all.retain(|sink| sink.name.as_deref() != Some(kind_name(SinkKindName::Stdout)));
            }
            None => {}
        }
        if self.secret.is_some() {
            variables.entry(SinkKindName::Webhook).or_default();
        }
        if !all.iter().chain(variables.values()).any(|sink| sink.bucket.is_some())
            && let Some(bucket) = &self.bucket
        {
            variables.entry(SinkKindName::S3).or_default().bucket = Some(bucket.clone());
        }
        for (kind, table) in variables {
            let name = kind_name(kind);
            match all.iter_mut().find(|sink| sink.name.as_deref() == Some(name)) {
                Some(sink) => *sink = table.with_fallback(std::mem::take(sink)),
                None => {
                    let (name, kind) = (Some(name.to_owned()), Some(kind));
                    all.push(SinkTable { name, kind, ..table });
                }
            }
        }
        all
    }

    /// Checks and returns all sinks. `file` has the sinks of the settings file.
    pub(super) fn check(&self, file: &[SinkTable]) -> Result<Vec<SinkSettings>> {
        let mut sinks: Vec<SinkSettings> = Vec::new();
        for table in self.merged_with_file(file) {
            let sink = self.sink(table)?;
            if sinks.iter().any(|other| other.name == sink.name) {
                bail!("two sinks have the name {:?}; use different names", sink.name);
            }
            sinks.push(sink);
        }
        Ok(sinks)
    }

    fn sink(&self, table: SinkTable) -> Result<SinkSettings> {
        let kind = table.kind.context("a sink has no kind; use s3, sns, webhook, folder or stdout")?;
        let name = table.name.clone().unwrap_or_else(|| kind_name(kind).to_owned());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=MAX_NAME_CHARS).contains(&name.len()) || !name.chars().all(plain) {
            bail!("a sink's name is {name:?}; use 1 to {MAX_NAME_CHARS} of a-z, 0-9 and hyphen");
        }
        let format = table.format.unwrap_or(SinkFormat::Response);
        let from = match &table.from {
            Some(from) if from.is_empty() => {
                bail!("sink {name:?}: from is empty; use live, archive or file")
            }
            Some(from) => from.clone(),
            None => vec![DetectionOrigin::Live, DetectionOrigin::Archive],
        };
        let kind = self
            .kind(table, kind, name == kind_name(SinkKindName::Webhook))
            .with_context(|| format!("sink {name:?}"))?;
        Ok(SinkSettings { name, kind, from, format })
    }

    fn kind(&self, table: SinkTable, kind: SinkKindName, has_variable_name: bool) -> Result<SinkKind> {
        let SinkTable {
            bucket,
            key,
            topic,
            url,
            secret_file,
            timeout_seconds,
            allow_private,
            path,
            format,
            ..
        } = table;
        let is = |kinds: &[SinkKindName]| kinds.contains(&kind);
        for (key, is_set, kinds) in [
            ("bucket", bucket.is_some(), &[SinkKindName::S3][..]),
            ("key", key.is_some(), &[SinkKindName::S3, SinkKindName::Folder]),
            ("topic", topic.is_some(), &[SinkKindName::Sns]),
            ("url", url.is_some(), &[SinkKindName::Webhook]),
            ("secret_file", secret_file.is_some(), &[SinkKindName::Webhook]),
            ("timeout_seconds", timeout_seconds.is_some(), &[SinkKindName::Webhook]),
            ("allow_private", allow_private.is_some(), &[SinkKindName::Webhook]),
            ("path", path.is_some(), &[SinkKindName::Folder]),
            (
                "format \"song\"",
                format == Some(SinkFormat::Song),
                &[SinkKindName::Sns, SinkKindName::Webhook, SinkKindName::Stdout],
            ),
        ] {
            if is_set && !is(kinds) {
                bail!("the kind {} has no {key}; remove it", kind_name(kind));
            }
        }
        let key = key.unwrap_or_else(|| DEFAULT_KEY.to_owned());
        KeyTemplate::parse(&key).context("key")?;
        Ok(match kind {
            SinkKindName::S3 => SinkKind::S3 { bucket: required("bucket", kind, bucket)?, key },
            SinkKindName::Sns => SinkKind::Sns { topic: required("topic", kind, topic)? },
            SinkKindName::Folder => SinkKind::Folder { path: required("path", kind, path)?, key },
            SinkKindName::Stdout => SinkKind::Stdout,
            SinkKindName::Webhook => {
                let SecretText(url) = required("url", kind, url)?;
                if !(url.starts_with("https://") || url.starts_with("http://")) {
                    bail!("url is neither http:// nor https://");
                }
                let seconds = within("timeout_seconds", timeout_seconds, DEFAULT_TIMEOUT_SECONDS, 1, 60)?;
                let variable = if has_variable_name { self.secret.as_ref() } else { None };
                SinkKind::Webhook {
                    url: Secret::new(url),
                    secret: secret("REFRAIN_SINK_WEBHOOK_SECRET", variable, secret_file.as_deref())?,
                    timeout: Duration::from_secs(seconds.into()),
                    allow_private: allow_private.unwrap_or(false),
                }
            }
        })
    }
}

fn required<T>(key: &str, kind: SinkKindName, value: Option<T>) -> Result<T> {
    let variable = format!("REFRAIN_SINK_{}_{}", kind_name(kind).to_uppercase(), key.to_uppercase());
    value.with_context(|| {
        format!("{key} is missing; set it, or {variable} for the sink named {}", kind_name(kind))
    })
}

fn kind_name(kind: SinkKindName) -> &'static str {
    match kind {
        SinkKindName::S3 => "s3",
        SinkKindName::Sns => "sns",
        SinkKindName::Webhook => "webhook",
        SinkKindName::Folder => "folder",
        SinkKindName::Stdout => "stdout",
    }
}

//! Sinks from the settings file and from environment variables. Variables can define one sink of each kind.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use refrain_service::delivery::{DEFAULT_KEY, KeyTemplate};
use refrain_service::settings::{Format, From as HeardFrom, Secret, SinkKind, SinkSettings};

use super::secret::secret;
use super::service::within;
use super::tables::{Hidden, Kind, SinkTable};
use super::variable::from_variable;

/// Maximum length of the name of a sink in characters.
const LONGEST_NAME: usize = 40;

/// Default timeout of a webhook in seconds.
const TIMEOUT: u32 = 10;

/// Settings of sinks from environment variables.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct SinkVariables {
    sinks: BTreeMap<Kind, SinkTable>,
    /// Value of `REFRAIN_SINK_STDOUT`.
    stdout: Option<bool>,
    /// Value of `REFRAIN_SINK_WEBHOOK_SECRET`.
    secret: Option<Hidden>,
    /// `STREAM_IDENTIFICATIONS_BUCKET`, which is used if no sink has a bucket.
    pub(super) bucket: Option<String>,
}

/// The kinds of sinks with their names and the keys that have variables.
const KINDS: [(Kind, &str, &[&str]); 5] = [
    (Kind::S3, "s3", &["bucket", "key", "from"]),
    (Kind::Sns, "sns", &["topic", "format", "from"]),
    (Kind::Webhook, "webhook", &["url", "secret_file", "timeout_seconds", "allow_private", "format", "from"]),
    (Kind::Folder, "folder", &["path", "key", "from"]),
    (Kind::Stdout, "stdout", &["format", "from"]),
];

/// Returns all variables of sinks, without `REFRAIN_SINK_`.
pub(super) fn known() -> Vec<String> {
    let of = |&(_, kind, keys): &(Kind, &str, &[&str])| -> Vec<String> {
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
        for (kind, word, keys) in KINDS {
            let rest = key.strip_prefix(word).and_then(|key| key.strip_prefix('_'));
            if let Some(key) = rest.filter(|key| keys.contains(key)) {
                return self.sinks.entry(kind).or_default().set(key, variable, value);
            }
        }
        Ok(false)
    }

    /// Returns this layer with missing settings taken from the layer `below`.
    pub(super) fn over(mut self, below: Self) -> Self {
        for (kind, table) in below.sinks {
            let above = self.sinks.remove(&kind).unwrap_or_default();
            self.sinks.insert(kind, above.over(table));
        }
        Self {
            sinks: self.sinks,
            stdout: self.stdout.or(below.stdout),
            secret: self.secret.or(below.secret),
            bucket: self.bucket.or(below.bucket),
        }
    }

    /// Returns the sinks of the file, overridden and supplemented by these variables.
    fn over_file(&self, file: &[SinkTable]) -> Vec<SinkTable> {
        let mut all = file.to_vec();
        for sink in &mut all {
            if sink.name.is_none() {
                sink.name = sink.kind.map(|kind| word(kind).to_owned());
            }
        }
        let mut variables = self.sinks.clone();
        match self.stdout {
            Some(true) => drop(variables.entry(Kind::Stdout).or_default()),
            Some(false) => {
                variables.remove(&Kind::Stdout);
                all.retain(|sink| sink.name.as_deref() != Some(word(Kind::Stdout)));
            }
            None => {}
        }
        if self.secret.is_some() {
            variables.entry(Kind::Webhook).or_default();
        }
        if !all.iter().chain(variables.values()).any(|sink| sink.bucket.is_some())
            && let Some(bucket) = &self.bucket
        {
            variables.entry(Kind::S3).or_default().bucket = Some(bucket.clone());
        }
        for (kind, table) in variables {
            let name = word(kind);
            match all.iter_mut().find(|sink| sink.name.as_deref() == Some(name)) {
                Some(sink) => *sink = table.over(std::mem::take(sink)),
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
        for table in self.over_file(file) {
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
        let name = table.name.clone().unwrap_or_else(|| word(kind).to_owned());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=LONGEST_NAME).contains(&name.len()) || !name.chars().all(plain) {
            bail!("a sink's name is {name:?}; use 1 to {LONGEST_NAME} of a-z, 0-9 and hyphen");
        }
        let format = table.format.unwrap_or(Format::Response);
        let from = match &table.from {
            Some(from) if from.is_empty() => {
                bail!("sink {name:?}: from is empty; use live, archive or file")
            }
            Some(from) => from.clone(),
            None => vec![HeardFrom::Live, HeardFrom::Archive],
        };
        let kind =
            self.kind(table, kind, name == word(Kind::Webhook)).with_context(|| format!("sink {name:?}"))?;
        Ok(SinkSettings { name, kind, from, format })
    }

    fn kind(&self, table: SinkTable, kind: Kind, own: bool) -> Result<SinkKind> {
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
        let is = |kinds: &[Kind]| kinds.contains(&kind);
        for (key, there, kinds) in [
            ("bucket", bucket.is_some(), &[Kind::S3][..]),
            ("key", key.is_some(), &[Kind::S3, Kind::Folder]),
            ("topic", topic.is_some(), &[Kind::Sns]),
            ("url", url.is_some(), &[Kind::Webhook]),
            ("secret_file", secret_file.is_some(), &[Kind::Webhook]),
            ("timeout_seconds", timeout_seconds.is_some(), &[Kind::Webhook]),
            ("allow_private", allow_private.is_some(), &[Kind::Webhook]),
            ("path", path.is_some(), &[Kind::Folder]),
            ("format \"song\"", format == Some(Format::Song), &[Kind::Sns, Kind::Webhook, Kind::Stdout]),
        ] {
            if there && !is(kinds) {
                bail!("the kind {} has no {key}; remove it", word(kind));
            }
        }
        let key = key.unwrap_or_else(|| DEFAULT_KEY.to_owned());
        KeyTemplate::parse(&key).context("key")?;
        Ok(match kind {
            Kind::S3 => SinkKind::S3 { bucket: needed("bucket", kind, bucket)?, key },
            Kind::Sns => SinkKind::Sns { topic: needed("topic", kind, topic)? },
            Kind::Folder => SinkKind::Folder { path: needed("path", kind, path)?, key },
            Kind::Stdout => SinkKind::Stdout,
            Kind::Webhook => {
                let Hidden(url) = needed("url", kind, url)?;
                if !(url.starts_with("https://") || url.starts_with("http://")) {
                    bail!("url is neither http:// nor https://");
                }
                let seconds = within("timeout_seconds", timeout_seconds, TIMEOUT, 1, 60)?;
                let variable = if own { self.secret.as_ref() } else { None };
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

fn needed<T>(key: &str, kind: Kind, value: Option<T>) -> Result<T> {
    let variable = format!("REFRAIN_SINK_{}_{}", word(kind).to_uppercase(), key.to_uppercase());
    value
        .with_context(|| format!("{key} is missing; set it, or {variable} for the sink named {}", word(kind)))
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::S3 => "s3",
        Kind::Sns => "sns",
        Kind::Webhook => "webhook",
        Kind::Folder => "folder",
        Kind::Stdout => "stdout",
    }
}

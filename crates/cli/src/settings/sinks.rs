//! Combines the sinks of the settings file with those of environment variables. Variables can define one sink of each
//! kind.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use refrain_service::delivery::KeyTemplate;
use refrain_service::settings::{Secret, SinkFormat, SinkKind, SinkSettings};

use super::declare::{Checked, Declared, Fallback};
use super::secret::secret;
use super::tables::{SecretText, SinkKindName, SinkTable};
use super::variable::FromVariable;

/// Maximum length of the name of a sink, in characters. The name is stored with every message in the outbox, and shown
/// in tables.
const MAX_NAME_CHARS: usize = 40;

/// The settings of sinks from environment variables. A variable that is not set is `None`.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct SinkVariables {
    sinks: BTreeMap<SinkKindName, SinkTable>,
    /// Value of `REFRAIN_SINK_STDOUT`.
    stdout: Option<bool>,
    /// Value of `REFRAIN_SINK_WEBHOOK_SECRET`.
    secret: Option<SecretText>,
    /// Value of `STREAM_IDENTIFICATIONS_BUCKET`. It is used only if no sink has a bucket.
    pub(super) bucket: Option<String>,
}

/// For each kind of sink: its name, and the keys that can be set by variables.
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

/// Returns the names of all variables of sinks, without `REFRAIN_SINK_`.
pub(super) fn known() -> Vec<String> {
    let of = |&(_, kind, keys): &(SinkKindName, &str, &[&str])| -> Vec<String> {
        keys.iter().map(|key| format!("{kind}_{key}").to_uppercase()).collect()
    };
    let mut known: Vec<String> = KINDS.iter().flat_map(of).collect();
    known.extend(["STDOUT".to_owned(), "WEBHOOK_SECRET".to_owned()]);
    known
}

impl Fallback for SinkVariables {
    fn with_fallback(mut self, below: Self) -> Self {
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
}

impl SinkVariables {
    /// Sets a key of a sink from its variable. `key` is the name of the variable after `REFRAIN_SINK_`, in lower case;
    /// `variable` is the full name. Returns false if the variable is unknown.
    pub(super) fn set(&mut self, key: &str, variable: &str, value: &OsStr) -> Result<bool> {
        match key {
            "stdout" => {
                self.stdout = Some(FromVariable::from_variable(variable, value)?);
                return Ok(true);
            }
            "webhook_secret" => {
                self.secret = Some(FromVariable::from_variable(variable, value)?);
                return Ok(true);
            }
            _ => {}
        }
        // Only keys that this kind of sink has are accepted, so that a misspelled or misplaced variable is reported as
        // unknown.
        for (kind, kind_name, keys) in KINDS {
            let rest = key.strip_prefix(kind_name).and_then(|key| key.strip_prefix('_'));
            if let Some(key) = rest.filter(|key| keys.contains(key)) {
                return self.sinks.entry(kind).or_default().set(key, variable, value);
            }
        }
        Ok(false)
    }

    /// Returns the sinks of the settings file `file`, with the changes and additional sinks from the variables.
    fn merged_with_file(&self, file: &[SinkTable]) -> Vec<SinkTable> {
        let mut all = file.to_vec();
        for sink in &mut all {
            // Variables refer to a sink by its name, so a sink without a name gets its default name here.
            if sink.name.is_none() {
                sink.name = sink.kind.map(|kind| kind_name(kind).to_owned());
            }
        }
        let mut variables = self.sinks.clone();
        match self.stdout {
            Some(true) => drop(variables.entry(SinkKindName::Stdout).or_default()),
            // The value `false` also removes this sink of the file, so that one file can be used in several
            // environments.
            Some(false) => {
                variables.remove(&SinkKindName::Stdout);
                all.retain(|sink| sink.name.as_deref() != Some(kind_name(SinkKindName::Stdout)));
            }
            None => {}
        }
        // If only the secret is set, it belongs to the webhook of the file. If the file has no webhook, the missing URL
        // is reported.
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

    /// Combines the sinks in `file`, which are those of the settings file, with the variables. Checks the sinks and
    /// returns them.
    pub(super) fn check(&self, file: &[SinkTable]) -> Result<Vec<SinkSettings>> {
        let mut sinks: Vec<SinkSettings> = Vec::new();
        for table in self.merged_with_file(file) {
            let sink = self.sink(&table)?;
            // The outbox identifies a sink by its name, so two sinks with the same name would share their messages.
            if sinks.iter().any(|other| other.name == sink.name) {
                bail!("two sinks have the name {:?}; use different names", sink.name);
            }
            sinks.push(sink);
        }
        Ok(sinks)
    }

    fn sink(&self, table: &SinkTable) -> Result<SinkSettings> {
        let kind = table.kind.with_context(|| {
            let name = table.name.as_deref().unwrap_or("without a name");
            format!("a sink has no kind (sink {name}); use s3, sns, webhook, folder or stdout")
        })?;
        let name = table.name.clone().unwrap_or_else(|| kind_name(kind).to_owned());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=MAX_NAME_CHARS).contains(&name.len()) || !name.chars().all(plain) {
            bail!(
                "a sink's name is {name:?}; use 1 to {MAX_NAME_CHARS} characters, only a-z, 0-9 and hyphen"
            );
        }
        let of_sink = || format!("sink {name:?}");
        let checked = table.checked().with_context(of_sink)?;
        check_keys(table, kind).with_context(of_sink)?;
        let has_variable_name = name == kind_name(SinkKindName::Webhook);
        let kind = self.kind(&checked, kind, has_variable_name).with_context(of_sink)?;
        let (format, from) = (checked.format(), checked.from());
        Ok(SinkSettings { name, kind, from, format })
    }

    fn kind(
        &self,
        checked: &Checked<'_, SinkTable>,
        kind: SinkKindName,
        has_variable_name: bool,
    ) -> Result<SinkKind> {
        let SinkTable { bucket, topic, url, secret_file, path, .. } = checked.table().clone();
        let key = checked.key();
        KeyTemplate::parse(&key).context("key")?;
        Ok(match kind {
            SinkKindName::S3 => SinkKind::S3 { bucket: required("bucket", kind, bucket)?, key },
            SinkKindName::Sns => SinkKind::Sns { topic: required("topic", kind, topic)? },
            SinkKindName::Folder => SinkKind::Folder { path: required("path", kind, path)?, key },
            SinkKindName::Stdout => SinkKind::Stdout,
            SinkKindName::Webhook => {
                let SecretText(url) = required("url", kind, url)?;
                if !(url.starts_with("https://") || url.starts_with("http://")) {
                    bail!("url is neither http:// nor https://; correct it");
                }
                let variable = if has_variable_name { self.secret.as_ref() } else { None };
                SinkKind::Webhook {
                    url: Secret::new(url),
                    secret: secret("REFRAIN_SINK_WEBHOOK_SECRET", variable, secret_file.as_deref())?,
                    timeout: Duration::from_secs(checked.timeout_seconds().into()),
                    allow_private: checked.allow_private(),
                }
            }
        })
    }
}

/// Returns an error if the table contains a key that sinks of this kind do not have.
fn check_keys(table: &SinkTable, kind: SinkKindName) -> Result<()> {
    for (key, is_set, kinds) in [
        ("bucket", table.bucket.is_some(), &[SinkKindName::S3][..]),
        ("key", table.key.is_some(), &[SinkKindName::S3, SinkKindName::Folder]),
        ("topic", table.topic.is_some(), &[SinkKindName::Sns]),
        ("url", table.url.is_some(), &[SinkKindName::Webhook]),
        ("secret_file", table.secret_file.is_some(), &[SinkKindName::Webhook]),
        ("timeout_seconds", table.timeout_seconds.is_some(), &[SinkKindName::Webhook]),
        ("allow_private", table.allow_private.is_some(), &[SinkKindName::Webhook]),
        ("path", table.path.is_some(), &[SinkKindName::Folder]),
        (
            "format \"song\"",
            table.format == Some(SinkFormat::Song),
            &[SinkKindName::Sns, SinkKindName::Webhook, SinkKindName::Stdout],
        ),
    ] {
        // A key that this kind does not have indicates a mistake, such as the wrong kind.
        if is_set && !kinds.contains(&kind) {
            bail!("sinks of kind {} do not support {key}; remove it", kind_name(kind));
        }
    }
    Ok(())
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

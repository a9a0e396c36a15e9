//! The result of one check and the report of all checks.

use anyhow::Result;
use refrain_catalog::{Fact, HealthLevel};
use serde::Serialize;

use crate::exit::CommandOutcome;
use crate::output::{Output, clean, redact_secrets};

/// Width of the column for the names of checks, in characters. Longer names are allowed; they only shift the rest of
/// their own line.
const NAME_WIDTH: usize = 20;

/// The result of one check: its name, its level (ok, warning or failed), the finding as text, and advice for the user.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    name: &'static str,
    #[serde(serialize_with = "serialize_health")]
    health: HealthLevel,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    pub(super) fn fine(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, health: HealthLevel::Fine, found: found.into(), advice: None }
    }

    pub(super) fn warning(name: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self { health: HealthLevel::Warning, advice: Some(advice.to_owned()), ..Self::fine(name, found) }
    }

    pub(super) fn failing(name: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self { health: HealthLevel::Failing, advice: Some(advice.to_owned()), ..Self::fine(name, found) }
    }

    /// Creates a failed check from an error. The message of the error contains the advice.
    pub(super) fn error(name: &'static str, error: &anyhow::Error) -> Self {
        Self { health: HealthLevel::Failing, ..Self::fine(name, crate::output::error_chain(error)) }
    }

    fn line(&self) -> String {
        let serialize_health = match self.health {
            HealthLevel::Fine => "ok",
            HealthLevel::Warning => "warning",
            HealthLevel::Failing => "FAIL",
        };
        let advice = self.advice.as_ref().map_or_else(String::new, |advice| format!("; {advice}"));
        format!("{serialize_health:7}  {:NAME_WIDTH$}  {}{}", self.name, clean(&self.found), clean(&advice))
    }
}

impl From<Fact> for Check {
    fn from(Fact { name, value, health, advice }: Fact) -> Self {
        Self { name, health, found: value, advice }
    }
}

/// Collects the results of all checks. With `json`, one JSON object is printed at the end; otherwise each check is
/// printed as a line when it is added.
pub(super) struct HealthReport<'a> {
    json: bool,
    output: &'a Output,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct JsonReport<'a> {
    #[serde(serialize_with = "serialize_health")]
    health: HealthLevel,
    checks: &'a [Check],
}

impl<'a> HealthReport<'a> {
    pub(super) fn new(json: bool, output: &'a Output) -> Self {
        Self { json, output, checks: Vec::new() }
    }

    pub(super) fn add(&mut self, mut check: Check) -> Result<()> {
        // Errors of database drivers can quote the URL of the database.
        check.found = redact_secrets(&check.found);
        if !self.json {
            // The line is printed immediately, because a thorough check of a large catalog takes minutes.
            self.output.line(&check.line())?;
        }
        self.checks.push(check);
        Ok(())
    }

    /// Prints the JSON report, if it was requested, and returns the outcome of the command. The worst check determines
    /// the outcome.
    pub(super) fn end(self) -> Result<CommandOutcome> {
        // The variants of `HealthLevel` are ordered, so the maximum is the worst result.
        let health = self.checks.iter().map(|check| check.health).max().unwrap_or(HealthLevel::Fine);
        if self.json {
            let report = JsonReport { health, checks: &self.checks };
            self.output.line(&serde_json::to_string(&report)?)?;
        }
        Ok(match health {
            HealthLevel::Fine => CommandOutcome::Done,
            HealthLevel::Warning => CommandOutcome::Partial,
            HealthLevel::Failing => CommandOutcome::Failed,
        })
    }
}

fn serialize_health<S: serde::Serializer>(health: &HealthLevel, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match health {
        HealthLevel::Fine => "ok",
        HealthLevel::Warning => "warning",
        HealthLevel::Failing => "fail",
    })
}

//! The result of one check and the report of all checks.

use anyhow::Result;
use refrain_catalog::{Fact, Health};
use serde::Serialize;

use crate::exit::Outcome;
use crate::output::{Output, clean, without_secrets};

/// Width of the column of names in characters.
const NAME_WIDTH: usize = 20;

/// The result of one check: its name, its health, its finding and advice.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    name: &'static str,
    #[serde(serialize_with = "word")]
    health: Health,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    pub(super) fn fine(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, health: Health::Fine, found: found.into(), advice: None }
    }

    pub(super) fn warning(name: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self { health: Health::Warning, advice: Some(advice.to_owned()), ..Self::fine(name, found) }
    }

    pub(super) fn failing(name: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self { health: Health::Failing, advice: Some(advice.to_owned()), ..Self::fine(name, found) }
    }

    /// Creates a failure from an error whose message contains the advice.
    pub(super) fn error(name: &'static str, error: &anyhow::Error) -> Self {
        Self { health: Health::Failing, ..Self::fine(name, crate::output::reason(error)) }
    }

    fn line(&self) -> String {
        let word = match self.health {
            Health::Fine => "ok",
            Health::Warning => "warning",
            Health::Failing => "FAIL",
        };
        let advice = self.advice.as_ref().map_or_else(String::new, |advice| format!("; {advice}"));
        format!("{word:7}  {:NAME_WIDTH$}  {}{}", self.name, clean(&self.found), clean(&advice))
    }
}

impl From<Fact> for Check {
    fn from(Fact { name, value, health, advice }: Fact) -> Self {
        Self { name, health, found: value, advice }
    }
}

/// Report of all checks. Lines are printed at once, JSON is printed at the end.
pub(super) struct Report<'a> {
    json: bool,
    output: &'a Output,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(serialize_with = "word")]
    health: Health,
    checks: &'a [Check],
}

impl<'a> Report<'a> {
    pub(super) fn new(json: bool, output: &'a Output) -> Self {
        Self { json, output, checks: Vec::new() }
    }

    pub(super) fn add(&mut self, mut check: Check) -> Result<()> {
        check.found = without_secrets(&check.found);
        if !self.json {
            self.output.line(&check.line())?;
        }
        self.checks.push(check);
        Ok(())
    }

    /// Prints the JSON report, if requested, and returns the outcome of the command.
    pub(super) fn end(self) -> Result<Outcome> {
        let health = self.checks.iter().map(|check| check.health).max().unwrap_or(Health::Fine);
        if self.json {
            let whole = Whole { health, checks: &self.checks };
            self.output.line(&serde_json::to_string(&whole)?)?;
        }
        Ok(match health {
            Health::Fine => Outcome::Done,
            Health::Warning => Outcome::Partial,
            Health::Failing => Outcome::Failed,
        })
    }
}

fn word<S: serde::Serializer>(health: &Health, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match health {
        Health::Fine => "ok",
        Health::Warning => "warning",
        Health::Failing => "fail",
    })
}

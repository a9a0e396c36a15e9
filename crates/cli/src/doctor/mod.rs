//! `refrain doctor`: checks the installation and prints results with advice.

mod cache;
mod catalog;
mod check;
mod disk;
mod probe;
mod quarantine;
mod rows;
mod service;

use anyhow::Result;

use crate::args::DoctorArgs;
use crate::exit::CommandOutcome;
use crate::output::Output;
use crate::settings::{SearchBackend, Settings};

use check::{Check, HealthReport};

/// Runs `refrain doctor`. Invalid settings are reported as a failed check.
pub(crate) fn run(args: &DoctorArgs, settings: Result<Settings>, output: &Output) -> Result<CommandOutcome> {
    let mut report = HealthReport::new(args.json, output);
    report.add(Check::fine("version", version()))?;
    match settings {
        Err(error) => {
            report.add(Check::error("settings", &error))?;
        }
        Ok(settings) => {
            report.add(Check::fine("settings", source(&settings)))?;
            let catalog = catalog::add_checks(&settings, args.thorough, &mut report)?;
            // Only the index that searches use is checked. The index of the other backend is often missing or old.
            match settings.search {
                SearchBackend::Local => {
                    cache::add_checks(&settings, catalog.as_ref(), &mut report)?;
                    disk::add_checks(&settings, &mut report)?;
                }
                SearchBackend::Database => rows::add_checks(catalog.as_ref(), &mut report)?,
            }
            service::add_checks(&settings, catalog.as_ref(), &mut report)?;
            if let Some(catalog) = catalog {
                // This command did not change the catalog, so an error of closing it does not change the result.
                let _ = catalog.context.close();
            }
        }
    }
    report.end()
}

fn version() -> String {
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("refrain {} for {system} on {machine}, {cores} cores", env!("CARGO_PKG_VERSION"))
}

fn source(settings: &Settings) -> String {
    match &settings.config {
        Some(path) => format!("from {}", path.display()),
        None => "no file; flags, environment and defaults".to_owned(),
    }
}

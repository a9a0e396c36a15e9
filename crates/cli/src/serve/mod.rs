//! `refrain serve`, which runs the service, and `refrain healthcheck`.

mod healthcheck;
mod reload;
mod signals;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use refrain_service::serve::{CatalogOpener, HttpServer, ProcessPlan, ShutdownOutcome, serve};
use refrain_service::settings::ServiceSettings;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use reload::SettingsReader;
use signals::Hangups;

use crate::args::{HealthcheckArgs, ServeArgs};
use crate::aws;
use crate::context;
use crate::exit::CommandOutcome;
use crate::output::{Output, begin_log};
use crate::search::limit_rayon_threads;
use crate::settings::{SearchBackend, Settings, SettingsSource};

/// Runs `refrain healthcheck`.
pub(crate) fn healthcheck(
    args: &HealthcheckArgs,
    settings: &Settings,
    output: &Output,
) -> Result<CommandOutcome> {
    healthcheck::run(args, settings, output)
}

/// Runs `refrain serve`.
///
/// `source` reads the settings again while the service runs.
pub(crate) fn run(args: &ServeArgs, settings: &Settings, source: SettingsSource) -> Result<CommandOutcome> {
    if cfg!(not(feature = "serve")) {
        bail!("this refrain was built without the service; build it with `--features serve`");
    }
    let roles = (!args.role.is_empty()).then_some(args.role.as_slice());
    let service = settings.service(roles)?;
    if settings.search == SearchBackend::Database {
        bail!(
            "the service can search only in a local index, which it builds from the catalog; use search = \"local\" \
             (REFRAIN_SEARCH=local)"
        );
    }
    // The settings are checked before logging starts, so that their errors are printed like those of other commands.
    let index_prefix = settings.cache_prefix()?;
    begin_log(settings.log()?);
    limit_rayon_threads(settings.jobs);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the network threads")?;
    let outcome = runtime.block_on(async {
        let cloud = aws::cloud(settings, &service).await?;
        let stop = CancellationToken::new();
        signals::stop_on_signals(stop.clone()).context("cannot handle signals")?;
        let hangups = Hangups::install().context("cannot handle SIGHUP")?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), name = service.name, "service starting");
        let lines = Arc::new(crate::output::raw_line);
        let http = http(&service);
        let (changes, reloaded) = watch::channel(service.reloadable());
        let reader = tokio::spawn(SettingsReader::new(source, roles, settings, changes).run(hangups));
        let plan =
            ProcessPlan { settings: service, reloaded, cloud, open: open(settings), index_prefix, lines };
        let outcome = serve(plan, http, stop).await;
        reader.abort();
        anyhow::Ok(outcome?)
    })?;
    // The runtime is stopped without waiting for threads of components that did not stop in time.
    runtime.shutdown_background();
    Ok(match outcome {
        ShutdownOutcome::InTime => CommandOutcome::Done,
        ShutdownOutcome::Late => CommandOutcome::Partial,
    })
}

/// Returns the HTTP server of the service: health checks and metrics, and with the role `api` also the API.
#[cfg(feature = "serve")]
fn http(service: &ServiceSettings) -> HttpServer {
    let api = service.roles.api.then(|| refrain_web::Access { token: service.http.api_token.clone() });
    Box::new(move |view, listener, stop| Box::pin(refrain_web::run(view, api, listener, stop)))
}

/// Variant for builds without the service. It is never called, because [`run`] returns an error first.
#[cfg(not(feature = "serve"))]
fn http(_: &ServiceSettings) -> HttpServer {
    Box::new(|_, _, _| Box::pin(async {}))
}

/// Returns the function with which the service opens the catalog. The function creates a catalog that does not exist.
fn open(settings: &Settings) -> CatalogOpener {
    let (url, database) = (settings.catalog.clone(), settings.database.clone());
    Box::new(move || {
        let (url, mut database) = (url.clone(), database.clone());
        // The service itself retries and logs each attempt, so a single attempt must not take long.
        database.postgres.retry_for = database.postgres.retry_for.min(std::time::Duration::from_secs(5));
        Box::pin(async move {
            let folder = context::sqlite_path(url.expose()).and_then(|path| path.parent().map(PathBuf::from));
            if let Some(folder) = folder {
                // If the folder cannot be created, opening the catalog fails too, and that error contains the reason.
                let _ = tokio::fs::create_dir_all(folder).await;
            }
            refrain_catalog::open_with(url.expose(), &database).await
        })
    })
}

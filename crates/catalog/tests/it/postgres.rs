//! The contract suite on a PostgreSQL database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use refrain_catalog::{Catalog, CatalogError, OpenSettings, PostgresSettings};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use crate::contract::{TestStorage, contract_suite};

mod following;
mod journal;
mod limits;
mod login;
mod notifications;
pub(crate) mod outage;
mod pooled;
mod privileges;
mod proxy;
mod schema;

/// A separate database on the server of `TEST_POSTGRES_URL`; deleted on drop.
pub(crate) struct Database {
    server: PgConnectOptions,
    name: String,
}

impl Database {
    pub(crate) fn new() -> Self {
        Self::of("")
    }

    /// Creates a database with options of `CREATE DATABASE`.
    pub(crate) fn of(options: &str) -> Self {
        static NEXT_DATABASE: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var("TEST_POSTGRES_URL").expect("run scripts/test, or set TEST_POSTGRES_URL");
        let number = NEXT_DATABASE.fetch_add(1, Ordering::Relaxed);
        let name = format!("refrain_test_{}_{number}", std::process::id());
        let database = Self { server: url.parse().unwrap(), name };
        database.on_server(format!("CREATE DATABASE {} {options}", database.name));
        database
    }

    pub(crate) fn url(&self) -> String {
        self.options().to_url_lossy().into()
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.server.clone().database(&self.name)
    }

    /// URL for a role of [`Database::role`], whose password is the same as its name.
    pub(crate) fn url_as(&self, role: &str) -> String {
        self.options().username(role).password(role).to_url_lossy().into()
    }

    /// Creates a role without privileges, which is deleted with the database.
    pub(crate) async fn role(&self) -> String {
        let role = format!("{}_role", self.name);
        self.run(format!("CREATE ROLE {role} LOGIN PASSWORD '{role}'")).await;
        role
    }

    /// A connection in addition to those of the catalog.
    pub(crate) async fn connect(&self) -> PgConnection {
        self.options().connect().await.unwrap()
    }

    /// Runs SQL in the database.
    pub(crate) async fn run(&self, sql: impl Into<String>) {
        sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut self.connect().await).await.unwrap();
    }

    /// Runs SQL on the server. Uses a thread, because a test can end inside a runtime.
    fn on_server(&self, sql: String) {
        let server = self.server.clone();
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = server.connect().await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            });
        };
        std::thread::spawn(work).join().unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.on_server(format!("DROP DATABASE {} WITH (FORCE)", self.name));
        self.on_server(format!("DROP ROLE IF EXISTS {}_role", self.name));
    }
}

#[async_trait]
impl TestStorage for Database {
    async fn open(&self) -> Arc<dyn Catalog> {
        refrain_catalog::open(&self.url()).await.unwrap()
    }

    fn url(&self) -> String {
        self.url()
    }
}

/// Settings of a handle that waits for a server no longer than this.
pub(crate) fn waiting(milliseconds: u64) -> PostgresSettings {
    let time = std::time::Duration::from_millis(milliseconds);
    PostgresSettings { acquire_timeout: time, retry_for: time, ..PostgresSettings::default() }
}

pub(crate) async fn open_with(
    url: &str,
    postgres: PostgresSettings,
) -> Result<Arc<dyn Catalog>, CatalogError> {
    refrain_catalog::open_with(url, &OpenSettings { postgres }).await
}

/// Returns the error of opening a URL.
pub(crate) async fn rejection(url: &str) -> CatalogError {
    match refrain_catalog::open(url).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error,
    }
}

contract_suite!(crate::postgres::Database::new());

//! The contract, on a PostgreSQL database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use refrain_catalog::Catalog;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use crate::contract::{Place, contract_suite};

/// A database of its own on the server that `TEST_POSTGRES_URL` names; dropped at the end.
pub(crate) struct Database {
    server: PgConnectOptions,
    name: String,
}

impl Database {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var("TEST_POSTGRES_URL").expect("run scripts/test, or set TEST_POSTGRES_URL");
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("refrain_test_{}_{number}", std::process::id());
        let database = Self { server: url.parse().unwrap(), name };
        database.on_server(format!("CREATE DATABASE {}", database.name));
        database
    }

    pub(crate) fn url(&self) -> String {
        let mut url = self.options().to_url_lossy();
        url.set_query(Some("sslmode=disable"));
        url.into()
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.server.clone().database(&self.name)
    }

    /// A connection beside the catalogue's own.
    pub(crate) async fn connect(&self) -> PgConnection {
        self.options().connect().await.unwrap()
    }

    /// Runs SQL in the database.
    pub(crate) async fn run(&self, sql: impl Into<String>) {
        sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut self.connect().await).await.unwrap();
    }

    /// Runs SQL on the server, from wherever: a test may end inside of a runtime.
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
    }
}

#[async_trait]
impl Place for Database {
    async fn open(&self) -> Arc<dyn Catalog> {
        refrain_catalog::open(&self.url()).await.unwrap()
    }
}

contract_suite!(crate::postgres::Database::new());

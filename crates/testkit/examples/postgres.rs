//! A temporary PostgreSQL server for a whole run of tests: prints its URL and runs until its standard input ends.
//!
//! ```sh
//! cargo run -p refrain-testkit --example postgres
//! ```

use std::io::{Read, Write};

use refrain_testkit::PostgresServer;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Many tests run at the same time, each with its own connections.
    let server = PostgresServer::builder().setting("max_connections = 400").start()?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", server.url("postgres"))?;
    out.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

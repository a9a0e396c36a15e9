//! Tests of the temporary PostgreSQL server.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "an unexpected value fails the test")]

use std::net::TcpStream;

use refrain_testkit::PostgresServer;

#[test]
fn committed_data_survives_restarts_and_is_deleted_on_drop() {
    let mut server = PostgresServer::builder().setting("work_mem = '5MB'").start().unwrap();
    let url = server.create_database("songs").unwrap();
    assert_eq!(url, format!("postgres://postgres@127.0.0.1:{}/songs", server.port()));
    let folder = server.run_sql("songs", "SHOW data_directory").unwrap();
    assert!(std::fs::exists(&folder).unwrap());
    assert_eq!(server.run_sql("songs", "SHOW work_mem").unwrap(), "5MB");
    server.run_sql("songs", "CREATE TABLE t (n int); INSERT INTO t VALUES (1)").unwrap();
    for end in [PostgresServer::stop, PostgresServer::kill] {
        end(&mut server).unwrap();
        assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
        server.start().unwrap();
        assert_eq!(server.run_sql("songs", "SELECT n FROM t").unwrap(), "1");
    }
    assert!(server.run_sql("songs", "SELECT wrong").unwrap_err().to_string().contains("wrong"));
    let port = server.port();
    drop(server);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!std::fs::exists(&folder).unwrap());
}

#[test]
fn password_authentication_can_be_required() {
    let server = PostgresServer::builder().password("secret").start().unwrap();
    assert_eq!(server.run_sql("postgres", "SELECT 1").unwrap(), "1");
    assert!(server.url("postgres").contains(":secret@"));
}
